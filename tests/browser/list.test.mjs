// INBOX.md, "List" and "Reading": the feed, its filters, its marks, and what other tabs make of them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { live, row, rows, token } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage();
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

test("a read mark is shown at once, told to the other tab within a second, and can be taken back", async () => {
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
  await row(tab, ids[0]).getByRole("button", { name: "Mark unread: One" }).waitFor({ timeout: 1_000 });
  assert.ok(Date.now() - told < 1_000);
  await heading(tab, "1 unread").waitFor();
  await until(async () => (await on.gateway.unread(user)) === 1, "the server has it");
  await row(tab, ids[0]).getByRole("button", { name: "Mark unread: One" }).click();
  await row(page, ids[0]).getByRole("button", { name: "Mark read: One" }).waitFor({ timeout: 1_000 });
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
