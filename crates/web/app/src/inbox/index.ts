// The inbox as a library: a provider, hooks, and components that may be used or left. docs/guides/inbox.md shows how.

export { AnnouncementBanner } from "./AnnouncementBanner";
export { Announcer } from "./Announcer";
export { type ConnectionState, Fault, type GetToken, type Status } from "./connection";
export { ConnectionStatus, ReturnNotice, returnInWords } from "./ConnectionStatus";
export {
  type ConnectionView,
  type Notifications,
  useArrivals,
  useConnection,
  useNotices,
  useNotifications,
  useNow,
  usePresence,
  useSocket,
  useUnreadCount,
} from "./hooks";
export { Inbox } from "./Inbox";
export { type Caller, inWords, newKey, request } from "./http";
export { safeLink } from "./links";
export { NotificationBell, useTitleCount } from "./NotificationBell";
export { NotificationFeed } from "./NotificationFeed";
export { type PreferencesView, usePreferences } from "./preferences";
export { NotificationProvider, type NotificationProviderProps, useInbox } from "./provider";
export { type Arrival, type InboxOptions, InboxStore, type Return } from "./store";
export { Toaster } from "./Toaster";
export type { DoctorPresence, Filter, InboxNotification, Priority } from "./types";
