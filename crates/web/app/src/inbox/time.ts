// Instants in the viewer's zone and in the language of the page.

/** The viewer's own kind of the page's language, such as en-GB on a page in English. */
export function language(): string | undefined {
  if (typeof document === "undefined") return undefined;
  const { lang } = document.documentElement;
  return navigator.languages.find((one) => one.split("-")[0] === lang.split("-")[0]) ?? (lang || undefined);
}

/** "just now", "5 min. ago", "3 hr. ago"; a date after a week. */
export function relative(instant: string, now: number): string {
  const seconds = Math.round((now - Date.parse(instant)) / 1_000);
  if (seconds < 45) return "just now";
  const format = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style: "short" });
  if (seconds < 3_600) return format.format(-Math.max(1, Math.round(seconds / 60)), "minute");
  if (seconds < 86_400) return format.format(-Math.round(seconds / 3_600), "hour");
  if (seconds < 7 * 86_400) return format.format(-Math.round(seconds / 86_400), "day");
  return new Date(instant).toLocaleDateString(language(), { day: "numeric", month: "short", year: "numeric" });
}

/** The time of day. */
export function clock(instant: string): string {
  return new Date(instant).toLocaleTimeString(language(), { timeStyle: "short" });
}

/** The exact time, with its zone. */
export function exact(instant: string): string {
  return new Date(instant).toLocaleString(language(), { dateStyle: "full", timeStyle: "long" });
}

/** "Today", "Yesterday", or the date: the heading under which a list puts it. */
export function day(instant: string, now: number): string {
  const midnight = (time: number) => new Date(time).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(now) - midnight(Date.parse(instant))) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return new Date(instant).toLocaleDateString(language(), { weekday: "long", day: "numeric", month: "long" });
}

/** A time to go, in words that change once a second only in the last hour: "2 h 5 min", "4 min 09 s". */
export function remaining(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1_000));
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${seconds} s`;
}
