import type { User } from "./session";

const TINTS: Record<string, string> = {
  ADMIN: "bg-high-tint text-high",
  SUPER_ADMIN: "bg-high-tint text-high",
  DOCTOR: "bg-tint text-accent",
  PATIENT: "bg-ground text-ink",
};

/** The initials of someone, tinted by role. Decoration: the name stands beside it. */
export function Avatar({ user }: { user: User }) {
  const words = user.name.replace(/^Dr\. /, "").split(/\s+/);
  const initials = words.slice(0, 2).map((word) => [...word][0]?.toUpperCase());
  return (
    <span aria-hidden="true" className={`grid size-10 shrink-0 place-items-center rounded-full text-sm font-semibold ${TINTS[user.role] ?? ""}`}>
      {initials}
    </span>
  );
}
