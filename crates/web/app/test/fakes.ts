import type { ConnectionEvents, ConnectionOptions } from "../src/inbox/connection";
import { type InboxOptions, InboxStore, type Link } from "../src/inbox/store";
import type { InboxNotification, ListPage } from "../src/inbox/types";

/** Number 1 is the oldest. */
export function item(number: number, more: Partial<InboxNotification> = {}): InboxNotification {
  const id = `id-${String(number).padStart(4, "0")}`;
  const createdAt = new Date(Date.UTC(2026, 10, 22, 12, 0, number)).toISOString();
  const rest = { event: null, type: "TEST", message: "", data: {}, priority: "medium", actionUrl: null, isRead: false, readAt: null } as const;
  const times = { createdAt, updatedAt: createdAt, timestamp: createdAt, expiresAt: null };
  return { id, title: `Number ${number}`, ...times, ...rest, ...more };
}

export function page(items: InboxNotification[], unread: number, next: string | null = null): ListPage {
  return { items, page: { next }, unread };
}

interface Question {
  event: string;
  argument: Record<string, unknown>;
  answer(content: object): Promise<void>;
  refuse(fault: Error): Promise<void>;
}

/** Lets everything that waits for an answer go on. */
const settle = () => new Promise<void>((done) => setImmediate(done));

/** A server in the test's hand: questions wait until the test answers them. */
export class FakeServer {
  events!: ConnectionEvents;
  readonly questions: Question[] = [];
  /** What stands beyond the first page, for those who look for banners there. */
  older: InboxNotification[] = [];

  store(options: Partial<InboxOptions> = {}): InboxStore {
    const store = new InboxStore({ getToken: () => "token", ...options }, (_: ConnectionOptions, events) => {
      this.events = events;
      return { start() {}, stop() {}, hurry() {}, ask: this.ask, raw: undefined as never } satisfies Link;
    });
    store.start();
    return store;
  }

  private readonly ask = <T>(event: string, argument: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      const { limit, status } = argument as { limit?: number; status?: string };
      if (limit === 100) {
        const wanted = this.older.filter(({ isRead }) => status === "all" || !isRead);
        return resolve(page(wanted, wanted.length) as T);
      }
      this.questions.push({
        event,
        argument: argument as Record<string, unknown>,
        answer: (content) => (resolve(content as T), settle()),
        refuse: (fault) => (reject(fault), settle()),
      });
    });

  /** The oldest question that waits. */
  next(): Question {
    const question = this.questions.shift();
    if (!question) throw new Error("nothing was asked");
    return question;
  }

  /** Connects, replays, says `inbox:state`. */
  connect(unread: number, recovered: boolean, replay: InboxNotification[] = []): void {
    this.events.open();
    for (const one of replay) this.events.event("notification", one);
    this.events.state({ status: "live" });
    this.events.ready({ unread, serverTime: new Date().toISOString(), recovered });
  }

  lose(): void {
    this.events.state({ status: "reconnecting" });
  }
}
