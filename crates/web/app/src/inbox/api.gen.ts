// Made from docs/api by `npm run types`: change the API, not this file.

/** How an emergency is taken, and a page of those whom it is for. */
export type Acks = {
  /** Of its whole audience. */
  acked: number;
  broadcastId: Id;
  /** Of each role in its audience. */
  byRole: Record<string, Share>;
  /** By role, and in each by id. */
  items: Array<Recipient>;
  of: number;
  /** The `after` that continues; null at the end. */
  page: Next;
};

export type Action = "broadcast.created" | "broadcast.changed" | "broadcast.canceled" | "user.status_changed" | "user.erased";

/** Something that was done by those in charge. */
export type AuditEntry = {
  action: Action;
  /** Who: `user:ID`, the name of a publish key, or `sql`. */
  actor: string;
  /** When, by the store's clock. */
  at: Instant;
  /** What is to be known besides; never a title or a message. */
  detail: Record<string, unknown>;
  /** Its number: 1 is the first, and there are no holes. */
  id: number;
  /** To which broadcast or user. */
  subject: string;
};

/** A page of the audit table. */
export type AuditPage = {
  /** Oldest first. */
  items: Array<AuditEntry>;
  page: {
    /** The `since` that continues; null where nothing follows yet. */
    next: number | null;
  };
};

/** What admins say to everyone or to roles. */
export type Broadcast = {
  actionUrl: string | null;
  audience: Array<Room>;
  createdAt: Instant;
  /** `user:ID` */
  createdBy: string;
  /** For maintenance. */
  endsAt: Instant | null;
  expiresAt: Instant | null;
  /** Also the event id of its publish. */
  id: Id;
  kind: BroadcastKind;
  /** Whether it was sent more than a minute after its time. */
  late: boolean;
  message: string;
  publishAt: Instant;
  sentAt: Instant | null;
  /** For maintenance. */
  startsAt: Instant | null;
  status: BroadcastStatus;
  title: string;
  /** When it was last changed, sent, called off or missed. */
  updatedAt: Instant;
  /** One more with each change; 1 at first. */
  version: number;
};

export type BroadcastKind = "announcement" | "maintenance" | "emergency";

/** A page of broadcasts. */
export type BroadcastPage = {
  /** Newest first. */
  items: Array<Broadcast>;
  /** The `before` that continues; null at the end. */
  page: Next;
};

export type BroadcastStatus = "scheduled" | "sent" | "canceled" | "missed";

/** How many are here. Users count once, whatever they have open; SUPER_ADMIN counts as admin. */
export type Counts = {
  admin: number;
  /** Sockets, of all nodes. */
  connections: number;
  doctor: number;
  patient: number;
};

/** The publisher's own: at most 16 KiB of JSON, 16 levels deep, itself the first. */
export type Data = Record<string, unknown>;

/** Whether a doctor is here. */
export type DoctorState = {
  /** The id that was asked for: the user's or the profile's. */
  doctorId: UserId;
  /** When they last were here, if they are not and ever were. */
  lastSeen: Instant | null;
  online: boolean;
};

/** Which doctors are here. */
export type Doctors = {
  /** In the order in which they were asked for. */
  doctors: Array<DoctorState>;
};

export type EventName = "appointment:created" | "appointment:updated" | "appointment:canceled" | "payment:completed" | "prescription:created" | "review:created" | "schedule:updated" | "user:status_changed";

/** What became of one publish. */
export type Explained = {
  /** When it was accepted to be stored. */
  createdAt: Instant;
  /** The domain event; null for a plain notification. */
  event: EventName | null;
  eventId: Id;
  /** What it became, in the log's order. */
  notifications: Array<Trace>;
};

/** One thing wrong with a body or a query. */
export type Fault = {
  /** What, for a person; it never repeats the value. */
  detail: string;
  /** Where, as a JSON pointer (RFC 6901); empty for the whole. */
  pointer: string;
};

/** A UUIDv7: it sorts by time. */
export type Id = string;

/** Where a client stands, once after every accepted CONNECT. */
export type InboxState = {
  /** Whether the client has everything, with what came just before this; or else it loads its inbox. */
  recovered: boolean;
  serverTime: Instant;
  /** 1,000 means that or more. */
  unread: number;
};

/** In UTC, to the millisecond. */
export type Instant = string;

export type Kind = string;

/** What the user marked on another socket. */
export type Marked = {
  /** These. */
  ids?: Array<Id>;
  /** 1,000 means that or more. */
  unread: number;
  /** This one and all older ones. */
  upTo?: Id;
};

/** Where the next page begins. */
export type Next = {
  /** Null at the end. */
  next: string | null;
};

/** A notification as one reader sees it. */
export type Notification = {
  /** Where a click leads: a path, or an `https://` URL. */
  actionUrl: string | null;
  createdAt: Instant;
  data: Data;
  /** The domain event it came from; null for one that was addressed to rooms directly. */
  event: EventName | null;
  /** From when on it is neither listed, counted nor replayed. */
  expiresAt: Instant | null;
  id: Id;
  isRead: boolean;
  /** A few lines. Plain text, never HTML. */
  message: string;
  priority: Priority;
  readAt: Instant | null;
  /** The same as `createdAt`. */
  timestamp: Instant;
  /** A line. Plain text, never HTML. */
  title: string;
  type: Kind;
  /** When it was read, or else created. */
  updatedAt: Instant;
};

/** A page of an inbox. */
export type NotificationPage = {
  /** Newest first. */
  items: Array<Notification>;
  page: {
    /** The `before` that continues; null at the end. */
    next: Id | null;
  };
  /** How many are unread in all; 1,000 means that or more. */
  unread: number;
};

/** What a user wants to hear of. */
export type Preferences = {
  /** Notifications of these types come as read and are not pushed, but for high and urgent ones. */
  muted: Array<Kind>;
};

export type Priority = "low" | "medium" | "high" | "urgent";

/** An answer that is not the one hoped for (RFC 9457). */
export type Problem = {
  /** Stable: for a program. */
  code: string;
  /** What is wrong here, for a person. */
  detail: string;
  /** With `validation`: every fault of the body or the query. */
  errors?: Array<Fault>;
  /** The same as `X-Request-Id`; missing in an item of a batch. */
  requestId?: string;
  status: number;
  /** The code in words. */
  title: string;
  /** `/problems/` and the code with hyphens: a name, no address. */
  type: string;
};

/** An accepted publish. */
export type Published = {
  eventId: Id;
  /** One for each room. */
  notifications: Array<{
    id: Id;
    room: Room;
  }>;
};

/** Who has read a notification. */
export type Readers = {
  /** Counted no further than 1,000. */
  count: number;
  /** Some of them, at most 100, in the order of their ids. */
  users: Array<UserId>;
};

/** One of those whom an emergency is for. */
export type Recipient = {
  /** When they acknowledged it, if they have. */
  ackedAt: Instant | null;
  role: RoleName;
  userId: UserId;
};

/** An event that had no effect. */
export type Refused = {
  error: {
    code: RefusedCode;
    /** For a person. */
    message: string;
    /** With `rate_limited`. */
    retryAfterMs?: number;
  };
  ok: false;
};

/** Why an event had no effect. Stable: for a program. */
export type RefusedCode = "bad_request" | "unknown_event" | "rate_limited" | "not_found" | "forbidden" | "unavailable" | "token_missing" | "token_invalid" | "token_expired" | "user_blocked";

export type Role = "ADMIN" | "SUPER_ADMIN" | "DOCTOR" | "PATIENT";

export type RoleName = "admin" | "doctor" | "patient";

export type Room = string;

/** What is pushed of a notification whose type the operator calls sensitive; the rest is fetched by its id. */
export type SealedNotification = {
  createdAt: Instant;
  event: EventName | null;
  id: Id;
  isRead: boolean;
  priority: Priority;
  /** Always true. */
  sensitive: boolean;
  type: Kind;
};

/** How many have acknowledged, of how many. */
export type Share = {
  acked: number;
  /** Users of the room who had been here before it was sent. */
  of: number;
};

/** How an emergency is taken. */
export type Tally = {
  /** Of its whole audience. */
  acked: number;
  broadcastId: Id;
  /** Of each role in its audience. A user who has changed roles may be in two of them. */
  byRole: Record<string, Share>;
  of: number;
};

/** What became of one notification. */
export type Trace = {
  id: Id;
  /** For how many sockets and streams each node, by its name, has queued it. */
  reached: Record<string, number>;
  readBy: Readers;
  room: Room;
};

/** At most 128 bytes of UTF-8, neither white space nor control characters. */
export type UserId = string;

/** A user who is here, or no more. */
export type UserNews = {
  email: string | null;
  /** With `user:offline`: why the last connection ended. */
  reason?: string;
  role: Role;
  timestamp: Instant;
  userId: UserId;
};

/** A page of users. */
export type UserPage = {
  /** The `after` that continues; null at the end. */
  page: Next;
  /** In the order of their ids. */
  users: Array<UserState>;
};

/** Whether a user is here. */
export type UserState = {
  /** It is known of those alone who are here. */
  email: string | null;
  /** When they last were here, if they are not. */
  lastSeen: Instant | null;
  online: boolean;
  role: Role;
  userId: UserId;
};
