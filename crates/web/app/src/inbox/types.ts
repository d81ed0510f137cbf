// What travels on the wire, as docs/api says it.

export type Priority = "low" | "medium" | "high" | "urgent";

/** One notification, as the socket and the HTTP API both give it. */
export interface InboxNotification {
  id: string;
  /** The domain event that it came from, such as `appointment:created`. */
  event?: string | null;
  type: string;
  /** Text, never HTML. */
  title: string;
  /** Text, never HTML. */
  message: string;
  data: Record<string, unknown>;
  priority: Priority;
  /** A path of this origin or an `https:` address; go through `safeLink` all the same. */
  actionUrl: string | null;
  isRead: boolean;
  readAt: string | null;
  /** RFC 3339, UTC. */
  createdAt: string;
  expiresAt?: string | null;
}

/** What is pushed of a type that the operator calls sensitive: the rest is fetched by its id. */
export interface Sealed {
  id: string;
  sensitive: true;
}

/** The answer to `notification:list`. */
export interface ListPage {
  items: InboxNotification[];
  /** `next` is the `before` of the next page; null on the last. */
  page: { next: string | null };
  unread: number;
}

/** What the server says once after each connect, after any replay. */
export interface ServerState {
  unread: number;
  serverTime: string;
  /** Whether all that was missed has just been replayed. */
  recovered: boolean;
}

/** A mark made on another tab or device. */
export interface MarkTold {
  ids?: string[];
  upTo?: string;
  unread: number;
}

/** The argument of every acknowledgement. */
export type Answer<T> = ({ ok: true } & T) | { ok: false; error: { code: string; message: string; retryAfterMs?: number } };

export interface DoctorPresence {
  doctorId: string;
  online: boolean;
  lastSeen: string | null;
}

/** Which of the notifications a list shows. */
export type Filter = "all" | "unread";
