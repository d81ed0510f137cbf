// INBOX.md, "Bell", "Toasts" and the keyboard.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bell, row } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage();
const panel = (page) => page.getByRole("dialog", { name: /^Notifications/ });
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
const toast = (page, id) => page.locator(`[data-toast="${id}"]`);

test("the bell says the exact count, its badge 9+ from ten on, the title the same", async () => {
  const { page, tell } = await on.signedIn();
  await page.getByRole("button", { name: "Notifications", exact: true }).waitFor();
  assert.equal(await page.title(), "Carillon");
  const badge = bell(page).locator("span");
  assert.equal(await badge.count(), 0);
  for (let count = 1; count <= 12; count += 1) await tell(`Number ${count}`);
  await page.getByRole("button", { name: "Notifications, 12 unread", exact: true }).waitFor();
  assert.equal(await badge.innerText(), "9+");
  assert.equal(await badge.getAttribute("aria-hidden"), "true");
  assert.equal(await page.title(), "(9+) Carillon");
  await page.getByRole("button", { name: "Mark all read" }).click();
  await page.getByRole("button", { name: "Notifications", exact: true }).waitFor();
  assert.equal(await page.title(), "Carillon");
});

test("the panel is a labelled non-modal dialog; Escape, a click outside and the bell close it and give the focus back", async () => {
  const { page } = await on.signedIn(["One"]);
  const closers = [
    () => page.keyboard.press("Escape"),
    () => page.mouse.click(20, 700),
    () => bell(page).click(),
    () => panel(page).getByRole("button", { name: "Close notifications" }).click(),
  ];
  for (const close of closers) {
    await bell(page).click();
    await panel(page).getByRole("heading", { name: "One" }).waitFor();
    assert.equal(await bell(page).getAttribute("aria-expanded"), "true");
    assert.equal(await page.evaluate(() => document.querySelector("dialog").matches(":modal")), false);
    await close();
    await panel(page).waitFor({ state: "detached" });
    await until(async () => (await focused(page)) === "Notifications, 1 unread", "the bell has the focus");
    assert.equal(await bell(page).getAttribute("aria-expanded"), "false");
  }
  await bell(page).click();
  await panel(page).getByRole("heading", { name: "One" }).waitFor();
  await accessible(page);
});

test("on a phone it is a sheet over the whole screen, and targets are 44 px", async () => {
  const { page } = await on.signedIn(["One"], { phone: true, more: { actionUrl: "/dashboard" } });
  await accessible(page);
  await bell(page).click();
  await panel(page).getByRole("heading", { name: "One" }).waitFor();
  assert.deepEqual(await panel(page).boundingBox(), { x: 0, y: 0, width: 360, height: 740 });
  assert.equal(await page.evaluate(() => document.querySelector("dialog").matches(":modal")), true);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button")]
      .filter((button) => button.checkVisibility())
      .map((button) => [button.textContent || button.ariaLabel, button.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < 40 || height < 44)
      .map(([name]) => name),
  );
  assert.deepEqual(small, []);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), "nothing sticks out");
  await accessible(page);
  await page.keyboard.press("Escape");
  await panel(page).waitFor({ state: "detached" });
  await until(async () => /^Notifications/.test(await focused(page)), "the bell has the focus");
});

test("the keyboard alone suffices: open, go through, read, leave", async () => {
  const { page, user } = await on.signedIn(["One", "Two", "Three"]);
  await bell(page).focus();
  await page.keyboard.press("Enter");
  await panel(page).getByRole("heading", { name: "Three" }).waitFor();
  const at = () => page.evaluate(() => document.activeElement.closest("dialog article h4")?.textContent ?? document.activeElement.querySelector("h4")?.textContent);
  // Tab reaches the first notification.
  for (let tabs = 0; tabs < 10 && !(await page.evaluate(() => document.activeElement.matches("dialog article"))); tabs += 1) await page.keyboard.press("Tab");
  assert.equal(await at(), "Unread: Three");
  await page.keyboard.press("PageDown");
  assert.equal(await at(), "Unread: Two");
  await page.keyboard.press("PageDown");
  await page.keyboard.press("PageDown");
  assert.equal(await at(), "Unread: One");
  await page.keyboard.press("PageUp");
  assert.equal(await at(), "Unread: Two");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Mark read: Two");
  await page.keyboard.press("Enter");
  await until(async () => (await on.gateway.unread(user)) === 2, "it is read");
  assert.equal(await focused(page), "Mark unread: Two", "the focus stays where it was");
  await page.keyboard.press("Control+Home");
  assert.match(await focused(page), /Mark all read/);
  await page.keyboard.press("Escape");
  assert.match(await focused(page), /^Notifications, 2 unread$/);
});

test("one toast for each newcomer, in the visible tab, while the panel is closed", async () => {
  const { page, tell } = await on.signedIn(["Old"]);
  const one = await tell("One", { actionUrl: "/dashboard/payments" });
  // Pointed at, it stays until the test has seen it.
  await toast(page, one).hover();
  assert.equal(await page.locator("[data-toast]").count(), 1, "what was there before has none");
  await accessible(page);
  await toast(page, one).getByRole("link", { name: "One" }).click();
  await page.getByRole("heading", { name: "Payments" }).waitFor();
  await toast(page, one).waitFor({ state: "detached" });
  await bell(page).click();
  const two = await tell("Two");
  await panel(page).locator(`[data-id="${two}"]`).waitFor();
  assert.equal(await page.locator("[data-toast]").count(), 0);
  await page.keyboard.press("Escape");
  const three = await tell("Three");
  await toast(page, three).getByRole("button", { name: "Dismiss: Three" }).click();
  await toast(page, three).waitFor({ state: "detached" });
  const four = await tell("Four");
  await toast(page, four).hover();
  await bell(page).press("Enter");
  await panel(page).waitFor();
  assert.equal(await page.locator("[data-toast]:visible").count(), 0);
});

test("a hidden tab shows no toast, and has the notification all the same", async () => {
  const { page, tell } = await on.signedIn();
  await page.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true }));
  const id = await tell("One");
  await row(page, id).waitFor();
  assert.equal(await page.locator("[data-toast]").count(), 0);
});

test("a toast waits while it is pointed at or has the focus, and then goes", async () => {
  const { page, tell } = await on.signedIn();
  await page.clock.install();
  const id = await tell("One");
  await toast(page, id).waitFor();
  // A toast whose time is over is gone at the next drawing.
  const minute = async () => {
    await page.clock.fastForward(60_000);
    await page.clock.runFor(1_000);
  };
  await toast(page, id).hover();
  await minute();
  assert.equal(await toast(page, id).count(), 1);
  await toast(page, id).getByRole("button").focus();
  await page.mouse.move(10, 10);
  await minute();
  assert.equal(await toast(page, id).count(), 1);
  await page.evaluate(() => document.activeElement.blur());
  await page.clock.fastForward(10_000);
  await toast(page, id).waitFor({ state: "detached" });
  await row(page, id).waitFor();
});

test("F6 and Tab lead to the toasts, the newest first; Escape dismisses it, and at last the focus is where it was", async () => {
  const { page, tell } = await on.signedIn();
  await bell(page).focus();
  const one = await tell("One");
  await toast(page, one).hover();
  const two = await tell("Two");
  await toast(page, two).waitFor();
  const at = () => page.evaluate(() => document.activeElement.dataset.toast);
  await page.keyboard.press("F6");
  await page.mouse.move(10, 10);
  await page.keyboard.press("Tab");
  assert.equal(await at(), two);
  await page.keyboard.press("Escape");
  await toast(page, two).waitFor({ state: "detached" });
  assert.equal(await at(), one);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Dismiss: One");
  await page.keyboard.press("Escape");
  await toast(page, one).waitFor({ state: "detached" });
  assert.equal(await focused(page), "Notifications, 2 unread");
});

test("a toast is swiped away, and stays if it is pulled but a little", async () => {
  const { page, tell } = await on.signedIn();
  const id = await tell("One");
  await toast(page, id).hover();
  const { x, y } = await toast(page, id).getByText("About: One").boundingBox();
  // Both ends are on the toast, so that it is not its time that ends it.
  for (const [distance, left] of [[20, 1], [60, 0]]) {
    await page.mouse.move(x + 5, y + 5);
    await page.mouse.down();
    await page.mouse.move(x + 5 + distance, y + 5, { steps: 8 });
    await page.mouse.up();
    await until(async () => (await toast(page, id).count()) === left, `${distance} px: ${left} left`);
  }
});

test("three toasts show at once, and ten are kept for a reader who holds them", async () => {
  const { page, tell } = await on.signedIn();
  const ids = [await tell("Number 1")];
  await toast(page, ids[0]).hover();
  for (let count = 2; count <= 14; count += 1) {
    ids.push(await tell(`Number ${count}`));
    await toast(page, ids.at(-1)).waitFor();
  }
  const shown = page.locator("[data-toast]:visible");
  assert.deepEqual(await shown.evaluateAll((all) => all.map((one) => one.dataset.toast)), ids.slice(-3).toReversed());
  await until(async () => (await page.locator("[data-toast]").count()) === 10, "the oldest are gone");
  assert.ok(await toast(page, ids[4]).evaluate((element) => element.inert), "what waits unseen cannot have the focus");
});

test("a toast is styled by its priority, and holds long and right-to-left text at 320 px", async () => {
  const { page, tell } = await on.signedIn([], { viewport: { width: 320, height: 640 } });
  const low = await tell("Nebuchadnezzar".repeat(12), { priority: "low", message: "https://a.example/" + "long".repeat(40) });
  await toast(page, low).hover();
  const high = await tell("تم تغيير موعدك إلى يوم الخميس الساعة 14:30", { priority: "high", actionUrl: "/dashboard" });
  await toast(page, high).waitFor();
  const border = (id) => toast(page, id).evaluate((element) => getComputedStyle(element).borderColor);
  assert.notEqual(await border(low), await border(high));
  assert.equal(await toast(page, high).locator("p").first().evaluate((element) => getComputedStyle(element).direction), "rtl");
  for (const id of [low, high]) {
    const { x, width } = await toast(page, id).boundingBox();
    assert.ok(x >= 0 && x + width <= 320, `${x} and ${width} wide`);
  }
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
  await accessible(page);
});

test("a screen reader hears newcomers together and politely, the urgent at once", async () => {
  const { page, tell } = await on.signedIn();
  const polite = page.locator("[data-announcer=polite]");
  assert.equal(await page.locator("[aria-live=polite]").count(), 1);
  await tell("One");
  await polite.getByText("New notification: One").waitFor();
  // The toasts say nothing beside it.
  assert.equal(await page.locator("[aria-live]:not([aria-live=off])").count(), 2);
  assert.equal(await page.locator(":is([role=alert], [role=status])").filter({ hasText: "One" }).count(), 0);
  await Promise.all([tell("Two"), tell("Three"), tell("Four")]);
  await polite.getByText("3 new notifications").waitFor();
  assert.equal(await page.locator("[data-announcer=assertive]").innerText(), "");
  await tell("Evacuate", { priority: "urgent", message: "Now." });
  await page.locator("[data-announcer=assertive]").getByText("Urgent: Evacuate. Now.").waitFor();
});

test("what is urgent stays on screen until it is acknowledged", async () => {
  const { page, user, tell } = await on.signedIn();
  const id = await tell("Evacuate", { priority: "urgent" });
  const banner = page.getByRole("group", { name: "Urgent announcement" });
  await banner.waitFor();
  assert.equal(await toast(page, id).count(), 0, "it has no toast beside its banner");
  await accessible(page);
  await page.reload();
  await banner.getByRole("button", { name: "Acknowledge" }).click();
  await banner.waitFor({ state: "detached" });
  assert.equal(await on.gateway.unread(user), 0);
  await page.reload();
  await row(page, id).waitFor();
  assert.equal(await banner.count(), 0);
});

test("long and right-to-left text keeps its place: 200 % zoom, 320 px, a name without an end", async () => {
  const long = "Nebuchadnezzar".repeat(12);
  const titles = [long, "تم تغيير موعدك إلى يوم الخميس الساعة 14:30", "https://a.example/" + "long".repeat(40)];
  // 200 % on a 1280 px screen is a page of 640 px; 400 % is one of 320.
  for (const width of [640, 320]) {
    const { page, user } = await on.signedIn(titles, { viewport: { width, height: 400 }, more: { priority: "urgent", message: long, actionUrl: "/dashboard" } });
    await page.locator("[data-banner=urgent]").first().waitFor();
    await bell(page).click();
    await panel(page).waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${user.userId} at ${width}: nothing sticks out`);
    await accessible(page);
  }
});

test("who wants no motion sees none", async () => {
  for (const [reducedMotion, moving] of [["reduce", 0], ["no-preference", 1]]) {
    const { page } = await on.signedIn(["One"], { reducedMotion });
    await bell(page).click();
    await panel(page).waitFor();
    const names = await page.evaluate(() => [...document.querySelectorAll(".ci-arrive")].map((one) => getComputedStyle(one).animationName));
    assert.equal(names.filter((name) => name !== "none").length, moving, reducedMotion);
  }
});

test("maintenance counts down by the server's time, and is dismissed for one phase alone", async () => {
  // This viewer's clock is an hour behind.
  const now = Date.now();
  const page = await on.page();
  await page.clock.install({ time: now - 3_600_000 });
  const { token } = await import("./harness.mjs");
  const user = on.someone();
  const at = (minutes) => new Date(now + minutes * 60_000).toISOString();
  await on.gateway.tell(user, "Maintenance", { type: "MAINTENANCE", data: { startsAt: at(10), endsAt: at(20) } });
  await page.goto(on.gateway.url);
  await page.getByLabel("Your token").fill(token(user));
  await page.getByRole("button", { name: "Sign in" }).click();
  const banner = page.getByRole("group", { name: "Maintenance" });
  await banner.getByText(/^Starts in (10|9) min \d\d s$/).waitFor();
  await accessible(page);
  await banner.getByRole("button", { name: "Dismiss: Maintenance" }).click();
  await banner.waitFor({ state: "detached" });
  await page.reload();
  await page.getByRole("heading", { name: "Maintenance" }).waitFor();
  assert.equal(await banner.count(), 0);
  await page.clock.fastForward(11 * 60_000);
  await banner.getByText(/^Ends in [89] min \d\d s$/).waitFor();
  await page.clock.fastForward(11 * 60_000);
  await banner.waitFor({ state: "detached" });
});
