// The demo: its people, and three of them side by side.

import assert from "node:assert/strict";
import { test } from "node:test";

import { live } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage({ command: "demo" });
const pane = (page, user) => page.locator(`[data-pane=${user}]`);
const cut = (page, user) => pane(page, user).getByRole("button", { name: /^(Cut the network|Give it back): / });

async function threeLive(page) {
  await page.goto(`${on.gateway.url}/demo`);
  for (const user of ["admin", "doctor", "patient"]) await live(pane(page, user));
}

test("a newcomer picks one of the demo's people and sees the clinic at work", async () => {
  const page = await on.page();
  await page.goto(on.gateway.url);
  await page.getByRole("button", { name: /Ada Brandt/ }).waitFor();
  await accessible(page);
  await page.getByRole("button", { name: /Ada Brandt/ }).click();
  await live(page);
  await page.locator("main article").first().waitFor();
  await page.getByRole("region", { name: "Doctors" }).getByText("Dr. Sofia Marin").waitFor();
  await page.getByRole("region", { name: "Try this" }).getByText("pkill -9 carillon").waitFor();
  await accessible(page);
});

test("the demo is stopped and started again: the page comes back by itself, with a token of the new secret", async () => {
  const page = await on.page();
  await page.goto(on.gateway.url);
  await page.getByRole("button", { name: /Ada Brandt/ }).click();
  await page.locator("main article").first().waitFor();
  const before = await page.locator("main article").evaluateAll((all) => all.map((one) => one.dataset.id));
  await on.gateway.kill();
  await page.locator("[data-status=reconnecting]").waitFor();
  await on.gateway.restart();
  await live(page);
  // What waited to be published while it was away comes at once.
  await page.locator("[data-return]").getByText(/^Connected again after \d+ s\. (Nothing was missed|\d+ notifications? came meanwhile: nothing is missing)\.$/).waitFor();
  const after = await page.locator("main article").evaluateAll((all) => all.map((one) => one.dataset.id));
  assert.ok(before.every((id) => after.includes(id)), "nothing is lost");
  assert.equal(new Set(after).size, after.length, "nothing is there twice");
});

test("an event published by the form reaches the roles that it is for", async () => {
  const page = await on.page();
  await threeLive(page);
  await page.getByRole("combobox", { name: "Event" }).selectOption("prescription:created");
  await page.getByText("Other words").click();
  await page.getByLabel("Title").fill("For Paul alone");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await pane(page, "patient").getByRole("heading", { name: "For Paul alone" }).waitFor();
  await page.getByText(/Paul Weber has it after \d+ ms/).waitFor();
  assert.equal(await pane(page, "doctor").getByText("For Paul alone").count(), 0);
  await page.getByRole("combobox", { name: "Event" }).selectOption("appointment:updated");
  await page.getByLabel("Title").fill("For three");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  for (const user of ["admin", "doctor", "patient"]) await pane(page, user).getByRole("heading", { name: "For three" }).waitFor();
  on.expect(/status of 422/);
  await page.getByLabel("Leads to").fill("javascript:alert(1)");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByRole("status").getByText("actionUrl must").waitFor();
  await accessible(page);
});

test("a pane whose network is cut gets what it missed when it has it back, each once", async () => {
  const page = await on.page();
  await threeLive(page);
  await cut(page, "patient").click();
  await page.getByRole("combobox", { name: "Event" }).selectOption("prescription:created");
  await page.getByText("Other words").click();
  await page.getByLabel("Title").fill("While away");
  await page.getByRole("button", { name: "Publish 10" }).click();
  await page.locator("[data-outcome='10']").waitFor();
  await pane(page, "patient").locator("[data-status=reconnecting]").waitFor();
  assert.equal(await pane(page, "patient").getByText("While away").count(), 0);
  await accessible(page);
  await cut(page, "patient").click();
  await page.getByText(/Paul Weber has all 10 after/).waitFor();
  await pane(page, "patient").getByText(/^Connected again after \d+ s\. \d+ notifications came meanwhile: nothing is missing\.$/).waitFor();
  await until(async () => (await pane(page, "patient").getByRole("heading", { name: "While away" }).count()) === 10, "ten rows");
});

test("the gateway is killed under all three, and what is published meanwhile arrives once", async () => {
  const page = await on.page();
  await threeLive(page);
  await on.gateway.kill();
  for (const user of ["admin", "doctor", "patient"]) await pane(page, user).locator("[data-status=reconnecting]").waitFor();
  await page.getByRole("combobox", { name: "Event" }).selectOption("appointment:updated");
  await page.getByText("Other words").click();
  await page.getByLabel("Title").fill("Published while it was dead");
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByRole("status").getByText("Trying again with the same key").waitFor();
  await accessible(page);
  await on.gateway.restart();
  for (const user of ["admin", "doctor", "patient"]) {
    await pane(page, user).getByRole("heading", { name: "Published while it was dead" }).waitFor();
    await pane(page, user).locator("[data-returned]").getByText(/^Connected again after/).waitFor();
    assert.match(await pane(page, user).locator("[data-returned]").innerText(), /(Nothing was missed|nothing is missing)\.$/);
    assert.equal(await pane(page, user).getByRole("heading", { name: "Published while it was dead" }).count(), 1);
  }
  await page.getByText(/Stored in \d/).waitFor();
});

test("on a phone the three stand one below the other", async () => {
  const page = await on.page({ phone: true });
  await threeLive(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), "nothing sticks out");
  await accessible(page);
});
