// INBOX.md, "List" and "Reading": the feed, its filters, its marks, and what other tabs make of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { live, row, rows, token } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage({ SENSITIVE_TYPES: "LAB_RESULT" });
const titles = (page) => rows(page).getByRole("heading").allInnerTexts().then((all) => all.map((text) => text.replace(/^Unread:\s*/, "")));
const heading = (page, text) => page.getByRole("heading", { name: new RegExp(`^Notifications ?${text}$`) });

test("newest first, by day, with its place, its time at hand, and unread said in words", async () => {
  const { page, ids } = await on.signedIn(["One", "Two", "Three"]);
  assert.deepEqual(await titles(page), ["Three", "Two", "One"]);
  await page.getByRole("feed", { name: "Today" }).waitFor();
  assert.equal(await page.getByRole("heading", { level: 3 }).innerText(), "Today");
  const first = row(page, ids[2]);
  assert.deepEqual([await first.getAttribute("aria-posinset"), await first.getAttribute("aria-setsize")], ["1", "3"]);
  assert.match(await first.getByRole("heading").textContent(), /^Unread: Three$/);
  assert.match(await first.getByRole("time").getAttribute("title"), /^\w+,? \d+ \w+ \d{4}.*\d\d:\d\d:\d\d/);
  assert.match(await first.getByRole("time").innerText(), /^just now, \d\d:\d\d$/);
  await accessible(page);
});

test("times are the viewer's, and what is of yesterday stands under Yesterday", async () => {
  const { page, ids } = await on.signedIn(["One"], { timezoneId: "Pacific/Auckland" });
  const instant = await row(page, ids[0]).getByRole("time").getAttribute("datetime");
  const there = new Date(instant).toLocaleTimeString("en-GB", { timeStyle: "short", timeZone: "Pacific/Auckland" });
  assert.match(await row(page, ids[0]).getByRole("time").innerText(), new RegExp(`, ${there}$`));
  await page.clock.setFixedTime(Date.now() + 24 * 3_600_000);
  await page.reload();
  await page.getByRole("feed", { name: "Yesterday" }).waitFor();
  assert.match(await row(page, ids[0]).getByRole("time").innerText(), /^yesterday, /);
});

test("an empty inbox says so", async () => {
  const { page } = await on.signedIn();
  await page.getByText("No notifications yet").waitFor();
  await page.getByRole("button", { name: "Unread", exact: true }).click();
  await page.getByText("Nothing unread").waitFor();
  await accessible(page);
});

test("more is loaded by button and by scrolling, each notification once", async () => {
  const all = Array.from({ length: 65 }, (_, index) => `Number ${index + 1}`);
  const { page } = await on.signedIn(all);
  assert.equal(await rows(page).count(), 20);
  assert.equal(await rows(page).first().getAttribute("aria-setsize"), "-1");
  await page.getByRole("button", { name: "Load more" }).focus();
  await page.keyboard.press("Enter");
  await until(async () => (await rows(page).count()) >= 40, "the button loads more");
  await until(async () => {
    await page.mouse.wheel(0, 4_000);
    return (await rows(page).count()) === 65;
  }, "scrolling loads the rest");
  assert.deepEqual(await titles(page), all.toReversed());
  await page.getByText("That is all there is.").waitFor();
});

test("a read mark is shown at once, told to the other tab, and can be taken back", async () => {
  const { page, user, ids } = await on.signedIn(["One", "Two"]);
  const tab = await page.context().newPage();
  await tab.addInitScript(([key, value]) => sessionStorage.setItem(key, value), [
    "carillon:session",
    await page.evaluate(() => sessionStorage.getItem("carillon:session")),
  ]);
  await tab.goto(on.gateway.url);
  await live(tab);
  await row(tab, ids[0]).waitFor();
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).click();
  const told = Date.now();
  await row(tab, ids[0]).getByRole("button", { name: "Mark unread: One" }).waitFor();
  console.log(`the other tab has a mark after ${Date.now() - told} ms`);
  await heading(tab, "1 unread").waitFor();
  await until(async () => (await on.gateway.unread(user)) === 1, "the server has it");
  await row(tab, ids[0]).getByRole("button", { name: "Mark unread: One" }).click();
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).waitFor();
  await heading(page, "2 unread").waitFor();
});

test("mark all read leaves a newcomer unread that is not on screen", async () => {
  const { page, user, ids, tell } = await on.signedIn(["One", "Two"]);
  // The reader is in the list, so that what comes now waits.
  await row(page, ids[1]).focus();
  const newcomer = await tell("Newcomer");
  await page.getByRole("button", { name: "1 new" }).waitFor();
  await page.getByRole("button", { name: "Mark all read" }).evaluate((button) => button.click());
  await heading(page, "1 unread").waitFor();
  // The page shows it at once; the server has it a moment later.
  await until(async () => (await on.gateway.unread(user)) === 1, "the newcomer alone is unread");
  await page.getByRole("button", { name: "1 new" }).click();
  await row(page, newcomer).getByRole("button", { name: "Mark read: Newcomer" }).waitFor();
  await row(page, ids[0]).getByRole("button", { name: "Mark unread: One" }).waitFor();
});

test("nothing is put above the reader: what comes waits until it is wanted", async () => {
  const { page, ids, tell } = await on.signedIn(["One", "Two"]);
  await row(page, ids[0]).focus();
  const before = await row(page, ids[0]).boundingBox();
  for (const title of ["Three", "Four", "Five"]) await tell(title);
  const waiting = page.getByRole("button", { name: "3 new" });
  await waiting.waitFor();
  assert.deepEqual(await titles(page), ["Two", "One"]);
  await accessible(page);
  await waiting.click();
  await until(async () => (await titles(page)).length === 5, "they show when asked for");
  assert.deepEqual(await titles(page), ["Five", "Four", "Three", "Two", "One"]);
  assert.match(await page.evaluate(() => document.activeElement.innerText), /Five/, "the first of them has the focus");
  assert.ok(before);
});

test("what comes while nobody is in the list is on top at once", async () => {
  const { page, tell } = await on.signedIn(["One"]);
  await page.getByRole("button", { name: "Mark all read" }).focus();
  const id = await tell("Two");
  await row(page, id).waitFor();
  assert.deepEqual(await titles(page), ["Two", "One"]);
});

test("the unread filter keeps its rows until it is chosen again", async () => {
  const { page, ids, tell } = await on.signedIn(["One", "Two", "Three"]);
  await row(page, ids[1]).getByRole("button", { name: "Mark read: Two" }).click();
  await page.getByRole("button", { name: "Unread", exact: true }).click();
  await until(async () => (await titles(page)).join() === "Three,One", "the unread ones alone");
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).click();
  await row(page, ids[0]).getByRole("button", { name: "Mark unread: One" }).waitFor();
  const id = await tell("Four");
  // The reader is still in the list.
  await page.getByRole("button", { name: "1 new" }).click();
  await row(page, id).waitFor();
  await page.getByRole("button", { name: "Mark all read" }).click();
  await page.getByText("Nothing unread").waitFor();
});

test("the title leads on and marks as read; an address of ours is followed without leaving", async () => {
  const { page, user, ids } = await on.signedIn(["One"], { more: { actionUrl: "/dashboard/appointments" } });
  await page.evaluate(() => (globalThis.same = true));
  await row(page, ids[0]).getByRole("link", { name: "One" }).click();
  await page.getByRole("heading", { name: "Appointments" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/dashboard/appointments");
  assert.equal(await page.evaluate(() => globalThis.same), true);
  await until(async () => (await on.gateway.unread(user)) === 0, "it is read");
  await page.reload();
  await page.getByRole("heading", { name: "Appointments" }).waitFor();
  await page.goBack();
  await row(page, ids[0]).getByRole("button", { name: "Mark unread: One" }).waitFor();
});

test("a link elsewhere is followed once the mark has arrived", async () => {
  const { page, user, ids } = await on.signedIn(["One"], { more: { actionUrl: "https://elsewhere.example/x" } });
  await page.route("https://elsewhere.example/**", (route) => route.fulfill({ body: "elsewhere" }));
  await row(page, ids[0]).getByRole("link", { name: "One" }).click();
  await page.waitForURL("https://elsewhere.example/x");
  assert.equal(await on.gateway.unread(user), 0);
});

test("a mark that fails is taken back, and the page says so", async () => {
  const { page, ids } = await on.signedIn(["One"]);
  await page.context().setOffline(true);
  await page.locator("[data-status=offline]").waitFor();
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).click();
  await page.getByRole("alert").getByText("It could not be marked as read.").waitFor();
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).waitFor();
  await heading(page, "1 unread").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Dismiss this message" }).click();
  await until(async () => (await page.getByRole("alert").innerText()) === "", "it is dismissed");
});

test("a list that cannot be loaded says so and can be tried again", async () => {
  const page = await on.page();
  let deaf = true;
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((message) => {
      if (!(deaf && String(message).includes("notification:list"))) server.send(message);
    });
  });
  const user = on.someone();
  await on.gateway.tell(user, "One");
  await page.clock.install();
  await page.goto(on.gateway.url);
  await page.getByLabel("Your token").fill(token(user));
  await page.getByRole("button", { name: "Sign in" }).click();
  await live(page);
  await page.getByText("Loading notifications").waitFor({ state: "attached" });
  await accessible(page);
  await page.clock.fastForward(9_000);
  await page.getByText("The notifications could not be loaded.").waitFor();
  await accessible(page);
  deaf = false;
  await page.getByRole("button", { name: "Try again" }).click();
  await rows(page).first().waitFor();
});

test("of a sensitive notification nothing is pushed but that there is one; the page fetches the rest", async () => {
  const { page, user, tell } = await on.signedIn(["One"]);
  const pushed = [];
  // The frames of a page that is loaded again can be heard from the first.
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => pushed.push(String(payload))));
  await page.reload();
  await live(page);
  const id = await tell("Your results are here", { type: "LAB_RESULT" });
  await row(page, id).getByRole("heading", { name: "Your results are here" }).waitFor();
  await page.locator(`[data-toast="${id}"]`).getByText("About: Your results are here").waitFor();
  const told = pushed.find((frame) => frame.includes(id));
  assert.match(told, /"sensitive":true/);
  assert.ok(!pushed.some((frame) => frame.includes("results")), "no frame has its title");
  await page.context().setOffline(true);
  await page.locator("[data-status=offline]").waitFor();
  const away = await tell("Another result", { type: "LAB_RESULT" });
  const later = await tell("An appointment");
  await page.context().setOffline(false);
  await row(page, away).getByRole("heading", { name: "Another result" }).waitFor();
  await row(page, later).waitFor();
  assert.deepEqual(await titles(page), ["An appointment", "Another result", "Your results are here", "One"]);
  assert.equal(await on.gateway.unread(user), 4);
});
