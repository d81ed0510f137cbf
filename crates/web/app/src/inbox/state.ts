// What the inbox knows, and how each thing that happens changes it. Pure: no socket, no clock, no storage.

import type { Filter, InboxNotification, ListPage } from "./types";

/** One list as far as it is loaded, newest first. */
export interface List {
  ids: readonly string[];
  /** The `before` of the next page; null when there is none. */
  next: string | null;
  status: "empty" | "loading" | "ready" | "failed";
}

export interface Inbox {
  items: ReadonlyMap<string, InboxNotification>;
  lists: Readonly<Record<Filter, List>>;
  /** Those kept for their banner, though no list has come down to them yet. */
  notices: ReadonlySet<string>;
  unread: number;
}

const NO_LIST: List = { ids: [], next: null, status: "empty" };
export const EMPTY: Inbox = { items: new Map(), lists: { all: NO_LIST, unread: NO_LIST }, notices: new Set(), unread: 0 };

/** The server stops counting here: this many, or more. */
export const MOST_COUNTED = 1_000;

/** Whether it waits to be acknowledged. */
export const isPressing = (item: InboxNotification): boolean => item.priority === "urgent" && !item.isRead;

/** Whether it has a banner beside its place in the list. */
export const isNotice = (item: InboxNotification): boolean => isPressing(item) || item.type.startsWith("MAINTENANCE");

/**
 * A notification that has just been told, live or replayed: on top, or, if it had to be fetched first, below those that
 * have come meanwhile (ids begin with their time). One that is known already changes nothing.
 */
export function arrived(inbox: Inbox, item: InboxNotification, fetched = false): Inbox {
  if (inbox.items.has(item.id)) return inbox;
  const insert = (list: List): List => {
    const newer = fetched ? list.ids.filter((id) => id > item.id) : [];
    return { ...list, ids: [...newer, item.id, ...list.ids.filter((id) => !newer.includes(id))] };
  };
  const { all, unread } = inbox.lists;
  return {
    ...inbox,
    items: new Map(inbox.items).set(item.id, item),
    lists: { all: insert(all), unread: item.isRead ? unread : insert(unread) },
    unread: inbox.unread + (item.isRead ? 0 : 1),
  };
}

/**
 * The first page of a list, which replaces what was there. `meanwhile` are the ids that arrived after it was asked for:
 * they may be too new to be in it, and stay on top.
 */
export function firstPage(inbox: Inbox, filter: Filter, page: ListPage, meanwhile: readonly string[]): Inbox {
  const listed = new Set(page.items.map((item) => item.id));
  const newer = inbox.lists[filter].ids.filter((id) => meanwhile.includes(id) && !listed.has(id));
  const list: List = { ids: [...newer, ...listed], next: page.page.next, status: "ready" };
  return forgetUnlisted(withItems({ ...inbox, lists: { ...inbox.lists, [filter]: list } }, page.items));
}

/** A later page of a list. */
export function nextPage(inbox: Inbox, filter: Filter, page: ListPage): Inbox {
  const { ids } = inbox.lists[filter];
  const added = page.items.map((item) => item.id).filter((id) => !ids.includes(id));
  const list: List = { ids: [...ids, ...added], next: page.page.next, status: "ready" };
  return withItems({ ...inbox, lists: { ...inbox.lists, [filter]: list } }, page.items);
}

/** What has a banner and was found beyond the loaded pages; it takes the place of what was found before. */
export function foundNotices(inbox: Inbox, found: readonly InboxNotification[]): Inbox {
  const unknown = found.filter((item) => !inbox.items.has(item.id));
  return forgetUnlisted(withItems({ ...inbox, notices: new Set(found.map((item) => item.id)) }, unknown));
}

/** Marks these as read or unread, and the count with them. Those not loaded change nothing. */
export function marked(inbox: Inbox, ids: readonly string[], isRead: boolean, at: string): Inbox {
  const items = new Map(inbox.items);
  let turned = 0;
  for (const id of ids) {
    const item = items.get(id);
    if (!item || item.isRead === isRead) continue;
    items.set(id, { ...item, isRead, readAt: isRead ? at : null });
    turned += 1;
  }
  if (turned === 0) return inbox;
  return { ...inbox, items, unread: Math.max(0, inbox.unread + (isRead ? -turned : turned)) };
}

/** The loaded ids from this one on downward, itself included: what "read up to here" means. */
export function upTo(inbox: Inbox, id: string): string[] {
  const { ids } = inbox.lists.all;
  const place = ids.indexOf(id);
  if (place >= 0) return ids.slice(place);
  // Not loaded here: ids carry their time of birth in front, so that they compare.
  return [...inbox.items.keys()].filter((other) => other <= id);
}

/** The count as the server says it. */
export function counted(inbox: Inbox, unread: number): Inbox {
  return inbox.unread === unread ? inbox : { ...inbox, unread };
}

export function listStatus(inbox: Inbox, filter: Filter, status: List["status"]): Inbox {
  return { ...inbox, lists: { ...inbox.lists, [filter]: { ...inbox.lists[filter], status } } };
}

/** Drops those whose time has passed: the server neither lists nor counts them any more. */
export function expire(inbox: Inbox, now: number): Inbox {
  const over = new Set<string>();
  for (const { id, expiresAt } of inbox.items.values()) if (expiresAt && Date.parse(expiresAt) <= now) over.add(id);
  if (over.size === 0) return inbox;
  const without = (list: List): List => ({ ...list, ids: list.ids.filter((id) => !over.has(id)) });
  const { all, unread } = inbox.lists;
  const notices = new Set([...inbox.notices].filter((id) => !over.has(id)));
  return forgetUnlisted({ ...inbox, notices, lists: { all: without(all), unread: without(unread) } });
}

function withItems(inbox: Inbox, fresh: readonly InboxNotification[]): Inbox {
  const items = new Map(inbox.items);
  for (const item of fresh) items.set(item.id, item);
  return { ...inbox, items };
}

function forgetUnlisted(inbox: Inbox): Inbox {
  const { all, unread } = inbox.lists;
  const items = new Map<string, InboxNotification>();
  for (const id of [...all.ids, ...unread.ids, ...inbox.notices]) {
    const item = inbox.items.get(id);
    if (item) items.set(id, item);
  }
  return { ...inbox, items };
}
