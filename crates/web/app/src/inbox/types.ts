// What travels on the wire, by the names that the library gives it. The types are those of docs/api.

import type { Refused } from "./api.gen";

export type {
  DoctorState as DoctorPresence,
  InboxState as ServerState,
  Marked as MarkTold,
  Notification as InboxNotification,
  NotificationPage as ListPage,
  Priority,
  SealedNotification as Sealed,
} from "./api.gen";

/** The argument of every acknowledgement. */
export type Answer<T> = ({ ok: true } & T) | Refused;

/** Which of the notifications a list shows. */
export type Filter = "all" | "unread";
