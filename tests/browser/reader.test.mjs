// What a reader has beside the list: settings, the doctors online, and a session that renews itself.

import assert from "node:assert/strict";
import { test } from "node:test";

import { live, row, rows, signIn, token } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage({ PRESENCE_GRACE_MS: "200", JWT_LEEWAY_SECONDS: "0" });

const toSettings = (page) => page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Settings" }).click();
const choice = (page, name) => page.getByRole("checkbox", { name });

test("a muted type comes as read and without a word, unless it is of high priority", async () => {
  const { page, user, tell } = await on.signedIn(["One"]);
  await toSettings(page);
  await choice(page, "Reviews").waitFor();
  await accessible(page);
  // The keyboard alone does.
  await choice(page, "Reviews").focus();
  await page.keyboard.press("Space");
  await until(async () => (await on.gateway.ask(user, "GET", "/preferences")).muted.includes("REVIEW_CREATED"), "it is kept");
  const muted = await tell("A review", { type: "REVIEW_CREATED", priority: "low" });
  const high = await tell("A grave review", { type: "REVIEW_CREATED", priority: "high" });
  await page.locator(`[data-toast="${high}"]`).waitFor();
  assert.equal(await page.locator(`[data-toast="${muted}"]`).count(), 0);
  await page.getByRole("button", { name: "Notifications, 2 unread", exact: true }).waitFor();

  // Another device of the same user knows it.
  const other = await on.page({ phone: true });
  await signIn(other, on.gateway, user);
  await row(other, muted).getByRole("button", { name: "Mark unread: A review" }).waitFor();
  await toSettings(other);
  await choice(other, "Reviews").and(other.locator(":not(:checked)")).waitFor();
  await accessible(other);
  await choice(other, "Reviews").check();
  await until(async () => (await on.gateway.ask(user, "GET", "/preferences")).muted.length === 0, "it is taken back");
});

test("a setting that cannot be kept is taken back, and the page says so", async () => {
  // The operator has not listed this type, so the gateway keeps no preference of it.
  const { page } = await on.signedIn(["One"]);
  await toSettings(page);
  on.expect(/status of 422/);
  // It is shown at once and taken back as soon as that is known.
  await choice(page, "Test").click();
  await page.getByRole("alert").getByText("Not saved: A muted type is no known type.").waitFor();
  await choice(page, "Test").and(page.locator(":checked")).waitFor();
});

test("the doctors whom the inbox is about are shown, online or not, as it changes", async () => {
  const doctor = on.someone("DOCTOR");
  const { page } = await on.signedIn(["Your appointment"], { more: { data: { doctorId: doctor.userId } } });
  const doctors = page.getByRole("region", { name: "Doctors" });
  await doctors.getByRole("listitem").filter({ hasText: `Doctor ${doctor.userId}` }).getByText("offline").waitFor();
  const theirs = await on.page();
  await signIn(theirs, on.gateway, doctor);
  await doctors.getByText("online", { exact: true }).waitFor();
  await accessible(page);
  await theirs.context().close();
  await doctors.getByText("seen just now").waitFor();
});

/** A page whose tokens come from a desk of this test, which answers with the next of these. */
async function withTokens(page, user, lifetimes) {
  const given = [];
  await page.route("**/demo/users", (route) => route.fulfill({ json: [{ ...user, name: "Someone" }] }));
  await page.route("**/demo/token/*", (route) => {
    given.push(token(user, lifetimes[Math.min(given.length, lifetimes.length - 1)]));
    return route.fulfill({ body: given.at(-1) });
  });
  return given;
}

test("before its token ends the page brings a fresh one, and stays live beyond the end of the first", async () => {
  const page = await on.page();
  const user = on.someone();
  const given = await withTokens(page, user, [25, 3_600]);
  const sent = [];
  page.on("websocket", (socket) => {
    sent.push("a connection");
    socket.on("framesent", ({ payload }) => String(payload).includes("auth:refresh") && sent.push("auth:refresh"));
  });
  await page.goto(on.gateway.url);
  await page.getByRole("button", { name: /Someone/ }).click();
  await live(page);
  await until(() => sent.includes("auth:refresh"), "it hears that the token ends, and brings another");
  const { exp } = JSON.parse(Buffer.from(given[0].split(".")[1], "base64url"));
  await until(() => Date.now() > exp * 1_000 + 500, "the first token has ended");
  const id = await on.gateway.tell(user, "Still here");
  await row(page, id).waitFor();
  assert.equal(sent.filter((one) => one === "auth:refresh").length, 1);
});

test("a reconnect brings a fresh token and the last offset", async () => {
  const page = await on.page();
  const user = on.someone();
  const given = await withTokens(page, user, [3_600, 3_601, 3_602, 3_603, 3_604]);
  const connects = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => String(payload).startsWith("40") && connects.push(JSON.parse(String(payload).slice(2)))));
  await page.goto(on.gateway.url);
  await page.getByRole("button", { name: /Someone/ }).click();
  await live(page);
  await on.gateway.tell(user, "One");
  await rows(page).first().waitFor();
  await on.gateway.kill();
  await page.locator("[data-status=reconnecting]").waitFor();
  await on.gateway.restart();
  await live(page);
  assert.ok(connects.length >= 2 && given.length >= 2);
  assert.notEqual(connects.at(-1).token, connects[0].token);
  assert.equal(connects[0].since, undefined);
  assert.match(connects.at(-1).since, /^[0-9a-z]+\.[0-9a-z]+$/);
});
