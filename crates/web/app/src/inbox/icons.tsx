// A few drawn lines; decoration everywhere, so hidden from screen readers.

const PATHS = {
  bell: "M6 16v-5.500a6 6 0 0 1 12 0V16l2 2.500H4zM10 21h4",
  calendar: "M4 6h16v14H4zM4 10.500h16M8 3.500v4M16 3.500v4",
  calendarOff: "M4 6h16v14H4zM4 10.500h16M8 3.500v4M16 3.500v4M9.500 13.500l5 4M14.500 13.500l-5 4",
  card: "M3 6h18v12H3zM3 10h18M6.500 14.500h4",
  pill: "M8 4h8v4H8zM6.500 8h11v12h-11zM12 11v6M9 14h6",
  star: "M12 4l2.500 5.200 5.700.7-4.200 3.900 1.100 5.700L12 16.700l-5.100 2.800L8 13.800 3.800 9.900l5.700-.7z",
  clock: "M12 3.500a8.500 8.500 0 1 0 .01 0zM12 7.500V12l3 2",
  person: "M12 4a4 4 0 1 0 .01 0zM4.500 20.500a7.500 7.500 0 0 1 15 0",
  alert: "M12 3.500l9.500 16.500h-19zM12 10v4.500M12 17.200v.3",
  tools: "M14.500 4a5 5 0 0 0-4.200 7L4 17.500 6.500 20l6.500-6.300a5 5 0 0 0 6.700-6.200L16.500 10.500 13.500 7.500z",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  arrow: "M12 19V5M6 11l6-6 6 6",
  signOut: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  unplug: "M4 4l16 16M9 4v4M15 4v4M7 8h10v3a5 5 0 0 1-1.500 3.500M12 16a5 5 0 0 1-5-5M12 16v5",
  plug: "M9 3.500v4.500M15 3.500v4.500M7 8h10v3a5 5 0 0 1-10 0zM12 16v5",
  megaphone: "M4 10v4h3l8 4.500V5.500L7 10zM8 14l1 5h2.500M18 9.500a4 4 0 0 1 0 5",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5",
  pencil: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  search: "M10.500 4.500a6 6 0 1 0 .01 0zM15 15l5 5",
  columns: "M4 5h16v14H4zM9.500 5v14M14.500 5v14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, className = "size-5" }: { name: IconName; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 24 24"
      className={`shrink-0 ${className}`}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.75"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

const BY_TYPE: [prefix: string, icon: IconName][] = [
  ["APPOINTMENT_CANCELED", "calendarOff"],
  ["APPOINTMENT", "calendar"],
  ["PAYMENT", "card"],
  ["PRESCRIPTION", "pill"],
  ["REVIEW", "star"],
  ["SCHEDULE", "clock"],
  ["USER", "person"],
  ["MAINTENANCE", "tools"],
  ["EMERGENCY", "alert"],
];

/** The picture for a notification's type; a bell for those of an application's own. */
export function iconFor(type: string): IconName {
  return BY_TYPE.find(([prefix]) => type.startsWith(prefix))?.[1] ?? "bell";
}
