// What admins announce, in words and looks.

import type { BroadcastKind } from "../../inbox/api.gen";
import type { IconName } from "../../inbox/icons";
import { language } from "../../inbox/time";

export const KINDS: Record<BroadcastKind, { label: string; icon: IconName; look: string }> = {
  announcement: { label: "Announcement", icon: "bell", look: "border-line bg-tint text-accent" },
  maintenance: { label: "Maintenance", icon: "tools", look: "border-high bg-high-tint text-high" },
  emergency: { label: "Emergency", icon: "alert", look: "border-urgent bg-urgent-tint text-urgent" },
};

export const AUDIENCES: Record<string, string> = {
  all: "Everyone",
  "role:admin": "Admins",
  "role:doctor": "Doctors",
  "role:patient": "Patients",
};

/** "Mon 4 Jan, 09:00", in the viewer's zone. */
export function moment(instant: string): string {
  const parts = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  return new Date(instant).toLocaleString(language(), parts);
}

/** An instant as a `datetime-local` field has it: in the viewer's zone, to the minute. */
export function localOf(instant: string | null | undefined): string {
  if (!instant) return "";
  const date = new Date(instant);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
