// The inbox of one user as a store: what is known (state.ts), the link (connection.ts), and what the reader does.

import { Connection, type ConnectionOptions, type ConnectionState, Fault } from "./connection";
import { request } from "./http";
import {
  arrived,
  counted,
  EMPTY,
  expire,
  firstPage,
  foundNotices,
  type Inbox,
  isNotice,
  isPressing,
  type List,
  listStatus,
  marked,
  nextPage,
  upTo,
} from "./state";
import type { Filter, InboxNotification, ListPage, MarkTold, Sealed, ServerState } from "./types";

/** What the last reconnect brought. */
export interface Return {
  at: number;
  /** For how long there was no link, in milliseconds. */
  awayFor: number;
  /** Whether the server replayed what was missed; otherwise the first page was loaded anew. */
  recovered: boolean;
  /** The notifications that had been missed. */
  missed: number;
}

export interface Snapshot extends Inbox {
  connection: ConnectionState;
  /** Since when there is no link though there should be: connecting, reconnecting and offline are one absence. */
  downSince: number | undefined;
  lastReturn: Return | undefined;
  /** What went wrong last, for the reader; until dismissed. */
  fault: string | undefined;
  /** Whether the bell's panel is open: no toasts then. */
  panelOpen: boolean;
}

/** A notification that has just come: `live`, or replayed after an absence. */
export type Arrival = (item: InboxNotification, live: boolean) => void;

export interface InboxOptions extends ConnectionOptions {
  /** Notifications in one page. */
  pageSize?: number;
}

/** Anything the store may need of a connection: a test brings its own. */
export type Link = Pick<Connection, "start" | "stop" | "ask" | "hurry" | "raw">;
type Connect = (...arguments_: ConstructorParameters<typeof Connection>) => Link;

/** A count that may have crossed an arrival on its way is asked for again after this long. */
const SETTLE_MS = 1_000;
/** How far beyond the first page banners are looked for: among so many of all, and of those unread. */
const NOTICES_WITHIN = 100;
/** The most that one answer of the gateway lists, and that it marks at once. */
const MOST_LISTED = 100;
const MOST_MARKED = 1_000;
/** A timer cannot wait longer than this. */
const LONGEST_TIMER_MS = 2_147_483_647;

export class InboxStore {
  private snapshot: Snapshot = {
    ...EMPTY,
    connection: { status: "signed-out" },
    downSince: undefined,
    lastReturn: undefined,
    fault: undefined,
    panelOpen: false,
  };
  private link: Link | undefined;
  private readonly watchers = new Set<() => void>();
  private readonly arrivals = new Set<Arrival>();
  /** For each first page under way, the ids that have come since it was asked for. */
  private readonly underWay = new Set<string[]>();
  /** Marks not yet answered: a page asked for before must not undo them. */
  private readonly marking = new Map<string, boolean>();
  /** While a link is being taken up again: what it has brought so far. */
  private returning: { awayFor: number; missed: number } | undefined;
  private lostAt: number | undefined;
  private skew = 0;
  private settling: ReturnType<typeof setTimeout> | undefined;
  private expiring: ReturnType<typeof setTimeout> | undefined;
  private lastArrival = Number.NEGATIVE_INFINITY;

  constructor(
    readonly options: InboxOptions,
    private readonly connect: Connect = (...arguments_) => new Connection(...arguments_),
  ) {}

  start(): void {
    this.link = this.connect(this.options, {
      state: (connection) => this.connectionIs(connection),
      open: () => this.opened(),
      ready: (state) => void this.ready(state),
      event: (name, payload) => this.heard(name, payload),
    });
    this.link.start();
  }

  stop(): void {
    this.link?.stop();
    this.link = undefined;
    clearTimeout(this.settling);
    clearTimeout(this.expiring);
    this.set({ ...EMPTY, lastReturn: undefined, fault: undefined });
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getSnapshot = (): Snapshot => this.snapshot;

  /** Tells of each notification that comes, once. */
  onArrival(arrival: Arrival): () => void {
    this.arrivals.add(arrival);
    return () => this.arrivals.delete(arrival);
  }

  /** The server's time, as near as the last connect told. */
  now(): number {
    return Date.now() + this.skew;
  }

  /** The link, for events that this library does not know. */
  get connection(): Link | undefined {
    return this.link;
  }

  setPanelOpen(panelOpen: boolean): void {
    this.set({ panelOpen });
  }

  dismissFault(): void {
    this.set({ fault: undefined });
  }

  /** Loads the first page of a list, anew if it was loaded before. */
  async load(filter: Filter): Promise<void> {
    const before = new Set(this.snapshot.lists[filter].ids);
    const meanwhile: string[] = [];
    this.underWay.add(meanwhile);
    this.set(listStatus(this.snapshot, filter, "loading"));
    const page = await this.list(filter);
    if (page) this.show(firstPage(this.snapshot, filter, page, meanwhile), page.unread);
    else this.set(listStatus(this.snapshot, filter, "failed"));
    this.underWay.delete(meanwhile);
    if (page?.page.next && filter === "all") void this.findNotices(page);
    if (page && this.returning && filter === "all" && before.size > 0) {
      const known = page.items.findIndex((item) => before.has(item.id));
      this.returning.missed = known < 0 ? page.items.length : known;
    }
  }

  /** Loads one page more of a list, if there is one. */
  async loadMore(filter: Filter): Promise<void> {
    const { status, next } = this.snapshot.lists[filter];
    if (status !== "ready" || next === null) return;
    this.set(listStatus(this.snapshot, filter, "loading"));
    const page = await this.list(filter, { before: next });
    if (!page) return this.set(listStatus(this.snapshot, filter, "ready"));
    this.show(nextPage(this.snapshot, filter, page), page.unread);
  }

  markRead(ids: readonly string[]): Promise<boolean> {
    return this.mark(ids, true, "notification:read", { ids });
  }

  markUnread(ids: readonly string[]): Promise<boolean> {
    return this.mark(ids, false, "notification:unread", { ids });
  }

  /** Marks read up to this one, so that whatever came meanwhile stays unread; and what is urgent, until it is acknowledged. */
  async markReadUpTo(id: string): Promise<boolean> {
    const { items } = this.snapshot;
    const loaded = upTo(this.snapshot, id);
    if (![...items.values()].some(isPressing)) return this.mark(loaded, true, "notification:read", { upTo: id });
    // The gateway would mark the urgent too: the others go by their ids, first those on screen.
    if (!(await this.markOthers(loaded.flatMap((one) => items.get(one) ?? [])))) return false;
    for (let before: string | null = id; before !== null; ) {
      const page: ListPage | undefined = await this.list("unread", { before, limit: MOST_LISTED });
      if (!page) return this.failed("Not all could be marked as read.", undefined);
      if (!(await this.markOthers(page.items))) return false;
      before = page.page.next;
    }
    return true;
  }

  /** Acknowledges something urgent; where the server keeps no acknowledgements, having read it has to do. */
  async acknowledge(id: string): Promise<boolean> {
    try {
      await this.link?.ask("announcement:ack", { id });
    } catch (fault) {
      const unsupported = fault instanceof Fault && ["unknown_event", "not_found", "bad_request"].includes(fault.code);
      if (!unsupported) return this.failed("It could not be acknowledged.", fault);
    }
    return this.markRead([id]);
  }

  private async markOthers(items: readonly InboxNotification[]): Promise<boolean> {
    const ids = items.filter((item) => !item.isRead && !isPressing(item)).map((item) => item.id);
    for (let from = 0; from < ids.length; from += MOST_MARKED) {
      if (!(await this.markRead(ids.slice(from, from + MOST_MARKED)))) return false;
    }
    return true;
  }

  private async mark(ids: readonly string[], isRead: boolean, event: string, argument: object): Promise<boolean> {
    const turned = ids.filter((id) => this.snapshot.items.get(id)?.isRead === !isRead);
    for (const id of turned) this.marking.set(id, isRead);
    this.set(marked(this.snapshot, turned, isRead, new Date(this.now()).toISOString()));
    try {
      if (!this.link) throw new Fault("offline", "Nobody is signed in.");
      const { unread } = await this.link.ask<{ unread: number }>(event, argument);
      this.count(unread);
      return true;
    } catch (fault) {
      this.set(marked(this.snapshot, turned, !isRead, ""));
      this.settle();
      return this.failed(isRead ? "It could not be marked as read." : "It could not be marked as unread.", fault);
    } finally {
      for (const id of turned) this.marking.delete(id);
    }
  }

  private failed(what: string, fault: unknown): false {
    this.set({ fault: `${what} ${fault instanceof Error ? fault.message : ""}`.trim() });
    return false;
  }

  private connectionIs(connection: ConnectionState): void {
    const { status } = connection;
    const { connection: before } = this.snapshot;
    if (before.status === "live" && status !== "live") this.lostAt = Date.now();
    if (before.status === status && before.reason === connection.reason) return;
    const down = status !== "live" && status !== "signed-out";
    this.set({ connection, downSince: down ? (this.snapshot.downSince ?? Date.now()) : undefined });
  }

  private opened(): void {
    this.returning = this.lostAt === undefined ? undefined : { awayFor: Date.now() - this.lostAt, missed: 0 };
  }

  private async ready({ unread, serverTime, recovered }: ServerState): Promise<void> {
    this.skew = Date.parse(serverTime) - Date.now();
    this.set(counted(this.snapshot, unread));
    const { lostAt } = this;
    const { all, unread: unreadList } = this.snapshot.lists;
    const reload = (list: List) => !recovered || list.status === "failed" || list.status === "loading";
    if (all.status === "empty" || reload(all)) await this.load("all");
    if (unreadList.status !== "empty" && reload(unreadList)) await this.load("unread");
    // Lost again while the lists came: it is told when that is over.
    if (this.lostAt !== lostAt) return;
    if (this.returning) this.set({ lastReturn: { at: Date.now(), recovered, ...this.returning } });
    this.returning = undefined;
    this.lostAt = undefined;
  }

  private heard(name: string, payload: unknown): void {
    if (name === "notification") {
      this.notified(payload as InboxNotification | Sealed);
    } else if (name === "notification:read") this.told(payload as MarkTold, true);
    else if (name === "notification:unread") this.told(payload as MarkTold, false);
  }

  private notified(told: InboxNotification | Sealed): void {
    // What comes before `inbox:state` is a replay, and no news.
    const live = this.returning === undefined && this.snapshot.lists.all.status !== "empty";
    if (this.returning && !this.snapshot.items.has(told.id)) this.returning.missed += 1;
    if ("sensitive" in told) void this.unseal(told.id, live);
    else this.comes(told, live);
  }

  /** Fetches what was not pushed. Where that fails, the list is loaded anew and has it, or says so itself. */
  private async unseal(id: string, live: boolean): Promise<void> {
    if (this.snapshot.items.has(id)) return;
    try {
      const item = await request<InboxNotification>(this.options, "GET", `/notifications/${encodeURIComponent(id)}`);
      if (this.link) this.comes(item, live, true);
    } catch {
      if (this.link) await this.load("all");
    }
  }

  private comes(item: InboxNotification, live: boolean, fetched = false): void {
    for (const meanwhile of this.underWay) meanwhile.push(item.id);
    const next = arrived(this.snapshot, item, fetched);
    if (next === this.snapshot) return;
    this.lastArrival = Date.now();
    this.set(next);
    this.awaitExpiry();
    for (const arrival of this.arrivals) arrival(item, live);
  }

  /** What has a banner may be older than the first page: it is looked for a little further, and shown nowhere else. */
  private async findNotices({ items, page: { next }, unread }: ListPage): Promise<void> {
    const found = (await this.list("all", { before: next, limit: NOTICES_WITHIN }))?.items ?? [];
    const seen = [...items, ...found].filter((item) => !item.isRead).length;
    const rest = seen < unread ? await this.list("unread", { limit: NOTICES_WITHIN }) : undefined;
    this.set(foundNotices(this.snapshot, [...found, ...(rest?.items ?? [])].filter(isNotice)));
    this.awaitExpiry();
  }

  private told({ ids, upTo: newest, unread }: MarkTold, isRead: boolean): void {
    const { items } = this.snapshot;
    const pressing = (id: string) => isRead && items.has(id) && isPressing(items.get(id)!);
    const affected = ids ?? (newest ? upTo(this.snapshot, newest).filter((id) => !pressing(id)) : []);
    this.set(marked(this.snapshot, affected, isRead, new Date(this.now()).toISOString()));
    this.count(unread);
  }

  /** Takes the server's count; one that may be older than what has just come is asked for again. */
  private count(unread: number): void {
    this.set(counted(this.snapshot, unread));
    if (Date.now() - this.lastArrival < SETTLE_MS) this.settle();
  }

  private settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => void this.recount(), SETTLE_MS);
  }

  private async recount(): Promise<void> {
    const page = await this.link?.ask<ListPage>("notification:list", { limit: 1 }).catch(() => undefined);
    if (page) this.count(page.unread);
  }

  private list(filter: Filter, { before, limit }: { before?: string | null; limit?: number } = {}): Promise<ListPage | undefined> {
    const question = { limit: limit ?? this.options.pageSize ?? 20, status: filter, ...(before && { before }) };
    const asked = this.link?.ask<ListPage>("notification:list", question);
    return asked?.catch(() => undefined) ?? Promise.resolve(undefined);
  }

  private show(inbox: Inbox, unread: number): void {
    this.set(inbox);
    const undone = [...this.marking].filter(([id, isRead]) => inbox.items.get(id)?.isRead === !isRead);
    for (const [id, isRead] of undone) this.set(marked(this.snapshot, [id], isRead, ""));
    this.awaitExpiry();
    if (undone.length > 0 || this.marking.size > 0) this.settle();
    else this.count(unread);
  }

  private awaitExpiry(): void {
    clearTimeout(this.expiring);
    const times = [...this.snapshot.items.values()].map((item) => Date.parse(item.expiresAt ?? "")).filter(Number.isFinite);
    if (times.length === 0) return;
    const wait = Math.min(Math.max(0, Math.min(...times) - this.now()), LONGEST_TIMER_MS);
    this.expiring = setTimeout(() => {
      this.set(expire(this.snapshot, this.now()));
      this.settle();
      this.awaitExpiry();
    }, wait);
  }

  private set(change: Partial<Snapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
    for (const watcher of this.watchers) watcher();
  }
}
