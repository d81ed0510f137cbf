// INBOX.md, "Connection": coming back after whatever happened, with nothing missing and nothing twice.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bell, live, row, rows, signIn, token } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage();
const status = (page, name) => page.locator(`[data-status=${name}]`).waitFor();
const notice = (page) => page.locator("[data-return]");

/** Counts the rows by id: none is missing, none is there twice. */
async function hasEachOnce(page, ids) {
  await until(async () => (await rows(page).count()) === ids.length, `${ids.length} rows`);
  const shown = await rows(page).evaluateAll((all) => all.map((one) => one.dataset.id));
  assert.deepEqual(shown.toSorted(), ids.toSorted());
}

test("without a token there is no socket", async () => {
  const page = await on.page();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  page.on("request", (request) => /socket\.io/.test(request.url()) && sockets.push(request.url()));
  await page.goto(on.gateway.url);
  await page.getByLabel("Your token").waitFor();
  await accessible(page);
  assert.deepEqual(sockets, []);
  await page.getByLabel("Your token").fill("no token");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("does not look like a token").waitFor();
  assert.deepEqual(sockets, []);
});

test("a token that the gateway refuses says why", async () => {
  const page = await on.page();
  await page.goto(on.gateway.url);
  await page.getByLabel("Your token").fill(token(on.someone(), -60));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("Authentication token expired").waitFor();
  await status(page, "signed-out");
  await accessible(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Your token").waitFor();
});

test("signed out, the socket is closed and the next user sees nothing of the last", async () => {
  const { page } = await on.signedIn(["Secret"]);
  await page.getByRole("heading", { name: "Secret" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, on.gateway, on.someone());
  await page.getByText("No notifications yet").waitFor();
  assert.equal(await page.getByText("Secret").count(), 0);
});

test("the gateway is killed and started again: what was missed is there, once, and the page says so", async () => {
  const { page, user, ids, tell } = await on.signedIn(["One", "Two"]);
  await row(page, ids[1]).waitFor();
  await on.gateway.kill();
  await status(page, "reconnecting");
  await accessible(page);
  await on.gateway.restart();
  ids.push(await tell("Three"), await tell("Four"));
  await live(page);
  await row(page, ids[3]).waitFor();
  await hasEachOnce(page, ids);
  await notice(page).getByText(/^Connected again after \d+ s\./).waitFor();
  assert.equal(await on.gateway.unread(user), 4);
  await page.getByRole("button", { name: "Notifications, 4 unread" }).waitFor();
  await accessible(page);
});

test("offline for a minute on a phone: what was missed is replayed, none is loaded anew, and it is back at once", async () => {
  const { page, ids, tell } = await on.signedIn(["One"], { phone: true });
  await row(page, ids[0]).waitFor();
  await page.clock.install();
  await page.context().setOffline(true);
  await page.clock.fastForward(2_100);
  await status(page, "offline");
  await page.locator("[data-announcer=polite]").getByText("Offline").waitFor();
  for (const title of ["Two", "Three", "Four"]) ids.push(await tell(title));
  await page.clock.fastForward(60_000);
  assert.equal(await rows(page).count(), 1);
  const lists = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => String(payload).includes("notification:list") && lists.push(payload)));
  await page.context().setOffline(false);
  // Not after the pause that a minute of failed tries has grown to.
  await page.clock.fastForward(100);
  await notice(page).getByText("3 notifications came meanwhile: nothing is missing.").waitFor();
  await hasEachOnce(page, ids);
  assert.deepEqual(lists, []);
  assert.equal(await page.locator("[data-toast]").count(), 0, "a replay is no news flash");
  await bell(page).and(page.getByRole("button", { name: "Notifications, 4 unread" })).waitFor();
});

test("a trouble of less than two seconds does not show", async () => {
  const { page, tell } = await on.signedIn(["One"]);
  await rows(page).first().waitFor();
  await page.clock.install();
  await page.clock.pauseAt(Date.now() + 60_000);
  await page.context().setOffline(true);
  await page.clock.runFor(1_900);
  assert.equal(await page.locator("[data-status=live]").count(), 1);
  await page.clock.runFor(200);
  await status(page, "offline");
  await page.clock.resume();
  await page.context().setOffline(false);
  await live(page);
  await tell("Two");
  await page.getByRole("heading", { name: "Two" }).first().waitFor();
});

test("a page that reloads brings its last offset, and shows each notification once", async () => {
  const { page, ids, tell } = await on.signedIn(["One"]);
  ids.push(await tell("Two"));
  await row(page, ids[1]).waitFor();
  const connects = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => String(payload).startsWith("40") && connects.push(String(payload))));
  const offset = await page.evaluate(() => sessionStorage.getItem("carillon:offset"));
  assert.match(offset, /^[0-9a-z]+\.[0-9a-z]+$/);
  await page.reload();
  await live(page);
  await hasEachOnce(page, ids);
  assert.equal(JSON.parse(connects[0].slice(2)).since, offset);
});

/** What a proxy may do to a WebSocket's handshake: refuse it, or never answer. */
const PROXIES = {
  refused: (page) => page.routeWebSocket(/socket\.io/, (socket) => socket.close()),
  swallowed: (page) =>
    page.addInitScript(() => {
      globalThis.WebSocket = class {
        readyState = 0;
        close() {}
        send() {}
      };
    }),
};
for (const [how, block] of Object.entries(PROXIES)) {
  test(`a WebSocket that is ${how} gives way to polling within 5 s`, async () => {
    const page = await on.page();
    await block(page);
    const user = on.someone();
    await on.gateway.tell(user, "One");
    // By the page's own clock, which stands still while a busy machine is slow.
    await page.clock.install();
    await page.goto(on.gateway.url);
    await page.getByLabel("Your token").fill(token(user));
    await page.clock.pauseAt(Date.now() + 60_000);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.clock.runFor(4_900);
    await rows(page).first().waitFor();
    await page.clock.resume();
    await on.gateway.tell(user, "Two");
    await page.getByRole("heading", { name: "Two" }).first().waitFor();
  });
}

test("it is tried again for as long as it takes, after 1 s and up to 30 s, never twice alike", async () => {
  const page = await on.page();
  // When it was tried, by the page's clock. Chromium itself slows down who fails often: here a failure is one at once.
  await page.addInitScript(() => {
    globalThis.tries = [];
    const Native = WebSocket;
    globalThis.WebSocket = function (...rest) {
      globalThis.tries.push(Date.now());
      if (!globalThis.dead) return new Native(...rest);
      const failing = { close() {}, send() {} };
      queueMicrotask(() => failing.onerror(new Event("error")));
      return failing;
    };
  });
  // The client binds its timers as it is made.
  await page.clock.install();
  await signIn(page, on.gateway, on.someone());
  await page.clock.pauseAt(Date.now() + 60_000);
  await page.evaluate(() => (globalThis.dead = true));
  await on.gateway.kill();
  let asked = 0;
  page.on("request", () => (asked += 1));
  page.on("requestfailed", () => (asked -= 1));
  for (let seconds = 0; seconds < 420; seconds += 1) {
    await page.clock.runFor(1_000);
    // Polling is tried too, and fails by the world's clock.
    await until(() => asked === 0, "the try has failed");
  }
  const tries = await page.evaluate(() => globalThis.tries);
  // Without the first connect, which worked.
  const pauses = tries.slice(2).map((at, index) => at - tries[index + 1]);
  await on.gateway.restart();
  assert.ok(pauses.length >= 10, `still trying after 7 minutes: ${pauses}`);
  assert.ok(pauses[0] <= 5_000 && Math.max(...pauses) <= 33_000, `${pauses}`);
  assert.ok(Math.max(...pauses) >= 20_000 && new Set(pauses).size > pauses.length * 0.8, `they grow, and differ: ${pauses}`);
});

test("a page that becomes visible connects at once", async () => {
  const page = await on.page();
  const user = on.someone();
  await page.clock.install();
  await signIn(page, on.gateway, user);
  await page.clock.pauseAt(Date.now() + 60_000);
  await on.gateway.kill();
  await until(async () => {
    await page.clock.runFor(1_000);
    return (await page.locator("[data-status=reconnecting]").count()) === 1;
  }, "it has noticed");
  await on.gateway.restart();
  // With its clock standing still no pause comes to an end.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await live(page);
  await row(page, await on.gateway.tell(user, "One")).waitFor();
});
