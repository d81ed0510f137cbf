import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Fault } from "../src/inbox/connection";
import type { InboxStore } from "../src/inbox/store";
import type { Filter, InboxNotification } from "../src/inbox/types";
import { FakeServer, item, page } from "./fakes";

let server: FakeServer;
let store: InboxStore;
beforeEach(() => {
  server = new FakeServer();
  store = server.store();
});
afterEach(() => store.stop());

const titles = (filter: Filter = "all") =>
  store.getSnapshot().lists[filter].ids.map((id) => store.getSnapshot().items.get(id)?.title);
const unread = () => store.getSnapshot().unread;
const comes = (one: InboxNotification) => server.events.event("notification", one);

/** Connected, with these loaded, newest first. */
async function loaded(items: InboxNotification[], next: string | null = null): Promise<void> {
  const count = items.filter(({ isRead }) => !isRead).length;
  server.connect(count, false);
  await server.next().answer(page(items, count, next));
}

describe("order and repetition", () => {
  it("puts what comes on top, once", async () => {
    await loaded([item(2), item(1)]);
    comes(item(3));
    comes(item(3));
    comes(item(2));
    expect(titles()).toEqual(["Number 3", "Number 2", "Number 1"]);
    expect(unread()).toBe(3);
  });

  it("keeps what came while the first page was under way, on top and once", async () => {
    server.connect(3, false);
    comes(item(3));
    comes(item(4));
    await server.next().answer(page([item(3), item(2), item(1)], 4));
    expect(titles()).toEqual(["Number 4", "Number 3", "Number 2", "Number 1"]);
  });

  it("appends later pages without repeating", async () => {
    await loaded([item(4), item(3)], "id-0003");
    const more = store.loadMore("all");
    const question = server.next();
    expect(question.argument).toMatchObject({ before: "id-0003", status: "all" });
    await question.answer(page([item(3), item(2)], 3));
    await more;
    expect(titles()).toEqual(["Number 4", "Number 3", "Number 2"]);
    await store.loadMore("all");
    expect(server.questions).toEqual([]);
  });

  it("asks for a later page once, however often it is told to", async () => {
    await loaded([item(4)], "id-0004");
    void store.loadMore("all");
    void store.loadMore("all");
    expect(server.questions).toHaveLength(1);
  });
});

describe("coming back", () => {
  it("does not load anew what was replayed", async () => {
    await loaded([item(1)]);
    server.lose();
    server.connect(3, true, [item(2), item(3)]);
    expect(server.questions).toEqual([]);
    expect(titles()).toEqual(["Number 3", "Number 2", "Number 1"]);
    expect(store.getSnapshot().lastReturn).toMatchObject({ recovered: true, missed: 2 });
  });

  it("loads the first page anew where the server could not replay, and forgets what is not in it", async () => {
    await loaded([item(2), item(1)], "id-0001");
    server.lose();
    server.connect(9, false);
    await server.next().answer(page([item(9), item(8), item(2)], 9, "id-0002"));
    expect(titles()).toEqual(["Number 9", "Number 8", "Number 2"]);
    expect(unread()).toBe(9);
    expect(store.getSnapshot().lastReturn).toMatchObject({ recovered: false, missed: 2 });
    expect(store.getSnapshot().items.size).toBe(3);
  });

  it("loads the first page of a fresh page even if the server replayed", async () => {
    server.connect(2, true, [item(2)]);
    await server.next().answer(page([item(2), item(1)], 2));
    expect(titles()).toEqual(["Number 2", "Number 1"]);
    expect(store.getSnapshot().lastReturn).toBeUndefined();
  });

  it("tells of a loss while the first page was on its way", async () => {
    server.connect(1, false);
    const question = server.next();
    server.lose();
    await question.refuse(new Fault("unavailable", "gone"));
    server.connect(1, false);
    await server.next().answer(page([item(1)], 1));
    expect(store.getSnapshot().lastReturn).toMatchObject({ recovered: false });
  });

  it("tells a replay from what comes live", async () => {
    const heard: [string, boolean][] = [];
    store.onArrival((one, live) => heard.push([one.title, live]));
    await loaded([item(1)]);
    comes(item(2));
    server.lose();
    server.connect(3, true, [item(3)]);
    comes(item(4));
    expect(heard).toEqual([
      ["Number 2", true],
      ["Number 3", false],
      ["Number 4", true],
    ]);
  });

  it("tries a list that failed again at the next connect", async () => {
    server.connect(1, false);
    await server.next().refuse(new Fault("timeout", "late"));
    expect(store.getSnapshot().lists.all.status).toBe("failed");
    server.lose();
    server.connect(1, true);
    await server.next().answer(page([item(1)], 1));
    expect(titles()).toEqual(["Number 1"]);
  });
});

describe("marks", () => {
  it("reads at once, and takes the server's count", async () => {
    await loaded([item(2), item(1)]);
    const done = store.markRead(["id-0002"]);
    expect([unread(), store.getSnapshot().items.get("id-0002")?.isRead]).toEqual([1, true]);
    await server.next().answer({ unread: 5 });
    expect(await done).toBe(true);
    expect(unread()).toBe(5);
  });

  it("takes a mark back that did not work, and says so", async () => {
    await loaded([item(2), item(1, { isRead: true })]);
    const done = store.markRead(["id-0002", "id-0001"]);
    await server.next().refuse(new Fault("unavailable", "The store is away."));
    expect(await done).toBe(false);
    expect(unread()).toBe(1);
    expect([...store.getSnapshot().items.values()].map(({ isRead }) => isRead)).toEqual([false, true]);
    expect(store.getSnapshot().fault).toBe("It could not be marked as read. The store is away.");
  });

  it("marks up to the newest on screen, so that a newcomer stays unread", async () => {
    await loaded([item(2), item(1)]);
    comes(item(3));
    const done = store.markReadUpTo("id-0002");
    const question = server.next();
    expect(question.argument).toEqual({ upTo: "id-0002" });
    await question.answer({ unread: 1 });
    await done;
    expect(store.getSnapshot().items.get("id-0003")?.isRead).toBe(false);
    expect(unread()).toBe(1);
  });

  it("follows the reader's other tabs", async () => {
    await loaded([item(3), item(2), item(1)]);
    server.events.event("notification:read", { ids: ["id-0003"], unread: 2 });
    expect(unread()).toBe(2);
    server.events.event("notification:read", { upTo: "id-0002", unread: 0 });
    expect([...store.getSnapshot().items.values()].every(({ isRead }) => isRead)).toBe(true);
    server.events.event("notification:unread", { ids: ["id-0001"], unread: 1 });
    expect([unread(), store.getSnapshot().items.get("id-0001")?.isRead]).toEqual([1, false]);
  });

  it("follows a mark up to something that is not loaded here", async () => {
    await loaded([item(9), item(8)]);
    server.events.event("notification:read", { upTo: "id-0008.5", unread: 1 });
    expect([...store.getSnapshot().items.values()].map(({ isRead }) => isRead)).toEqual([false, true]);
  });

  it("is not undone by a page that was asked for before it", async () => {
    server.connect(1, false);
    await server.next().answer(page([item(1)], 1));
    const reload = store.load("all");
    const list = server.next();
    void store.markRead(["id-0001"]);
    await list.answer(page([item(1)], 1));
    await reload;
    expect([unread(), store.getSnapshot().items.get("id-0001")?.isRead]).toEqual([0, true]);
  });

  it("acknowledges by reading where the server keeps no acknowledgements", async () => {
    await loaded([item(1, { priority: "urgent" })]);
    const done = store.acknowledge("id-0001");
    await server.next().refuse(new Fault("unknown_event", "Unknown event."));
    const question = server.next();
    expect([question.event, question.argument]).toEqual(["notification:read", { ids: ["id-0001"] }]);
    await question.answer({ unread: 0 });
    expect(await done).toBe(true);
  });
});

describe("the count", () => {
  it("is asked for again where an answer may have crossed an arrival", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    try {
      await loaded([item(1)]);
      const done = store.markRead(["id-0001"]);
      comes(item(2));
      await server.next().answer({ unread: 0 });
      await done;
      expect(unread()).toBe(0);
      vi.advanceTimersByTime(1_000);
      await server.next().answer(page([item(2)], 1));
      expect(unread()).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("drops what has expired", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    try {
      await loaded([item(2, { expiresAt: new Date(Date.now() + 5_000).toISOString() }), item(1)]);
      vi.advanceTimersByTime(5_001);
      expect(titles()).toEqual(["Number 1"]);
    } finally {
      vi.useRealTimers();
    }
  });
});

it("the unread list is asked for by itself and hears of newcomers", async () => {
  await loaded([item(2), item(1, { isRead: true })]);
  const load = store.load("unread");
  expect(server.questions[0]?.argument).toMatchObject({ status: "unread" });
  await server.next().answer(page([item(2)], 1));
  await load;
  comes(item(3));
  comes(item(4, { isRead: true }));
  expect(titles("unread")).toEqual(["Number 3", "Number 2"]);
  expect(titles()).toEqual(["Number 4", "Number 3", "Number 2", "Number 1"]);
});

describe("what has a banner", () => {
  const notices = () => [...store.getSnapshot().notices];

  it("is found beyond the first page, and shown in no list", async () => {
    server.older = [item(3, { priority: "urgent" }), item(2, { type: "MAINTENANCE", isRead: true }), item(1)];
    await loaded([item(5), item(4)], "id-0004");
    await vi.waitFor(() => expect(notices()).toEqual(["id-0003", "id-0002"]));
    expect(titles()).toEqual(["Number 5", "Number 4"]);
    expect([...store.getSnapshot().items.keys()]).toHaveLength(4);
  });

  it("is never marked read with all the others: the urgent waits to be acknowledged", async () => {
    const pressing = { priority: "urgent" } as const;
    server.older = [item(7), item(4, pressing), item(3), item(2, pressing), item(1)];
    await loaded([item(8), item(6, pressing), item(5)], "id-0005");
    await vi.waitFor(() => expect(notices()).toEqual(["id-0004", "id-0002"]));
    comes(item(9));
    const reading = store.markReadUpTo("id-0008");
    expect(unread()).toBe(2);
    const onScreen = server.next();
    expect(onScreen).toMatchObject({ event: "notification:read", argument: { ids: ["id-0008", "id-0005"] } });
    await onScreen.answer({ unread: 6 });
    const older = server.next();
    expect(older).toMatchObject({ event: "notification:read", argument: { ids: ["id-0007", "id-0003", "id-0001"] } });
    await older.answer({ unread: 4 });
    expect(await reading).toBe(true);
    expect(server.questions).toEqual([]);
    expect(store.getSnapshot().items.get("id-0006")?.isRead).toBe(false);
  });
});

describe("what is not pushed as it is", () => {
  const sealed = (number: number) => server.events.event("notification", { id: item(number).id, type: "TEST", sensitive: true });
  afterEach(() => vi.unstubAllGlobals());

  it("is fetched by its id, with the reader's token, and shown once", async () => {
    const fetched = vi.fn(async () => Response.json(item(2)));
    vi.stubGlobal("fetch", fetched);
    await loaded([item(1)]);
    sealed(2);
    await vi.waitFor(() => expect(titles()).toEqual(["Number 2", "Number 1"]));
    const headers = { authorization: "Bearer token" };
    expect(fetched).toHaveBeenCalledExactlyOnceWith("/api/v1/notifications/id-0002", expect.objectContaining({ headers }));
    expect(unread()).toBe(2);
    sealed(2);
    expect(fetched).toHaveBeenCalledOnce();
  });

  it("stands below what has come while it was fetched, and is no news if it was replayed", async () => {
    let answer: ((response: Response) => void) | undefined;
    vi.stubGlobal("fetch", () => new Promise<Response>((resolve) => (answer = resolve)));
    await loaded([item(1)]);
    const arrivals: boolean[] = [];
    store.onArrival((_, live) => arrivals.push(live));
    server.lose();
    server.events.open();
    sealed(2);
    server.events.state({ status: "live" });
    server.events.ready({ unread: 2, serverTime: new Date().toISOString(), recovered: true });
    comes(item(3));
    await vi.waitFor(() => expect(answer).toBeDefined());
    answer?.(Response.json(item(2)));
    await vi.waitFor(() => expect(titles()).toEqual(["Number 3", "Number 2", "Number 1"]));
    expect(arrivals).toEqual([true, false]);
    expect(store.getSnapshot().lastReturn).toMatchObject({ missed: 1 });
  });

  it("is in the list that is loaded anew where it cannot be fetched", async () => {
    vi.stubGlobal("fetch", async () => new Response(null, { status: 503 }));
    await loaded([item(1)]);
    sealed(2);
    await vi.waitFor(() => expect(server.questions).toHaveLength(1));
    await server.next().answer(page([item(2), item(1)], 2));
    expect(titles()).toEqual(["Number 2", "Number 1"]);
  });
});
