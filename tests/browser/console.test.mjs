// INBOX.md, "Page": the admin's console, against the gateway's own routes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { root, row, signIn } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage({ PRESENCE_GRACE_MS: "200" });
const region = (page, name) => page.getByRole("region", { name });
const broadcast = (page, title) => region(page, "Announced and scheduled").getByRole("listitem").filter({ hasText: title });
const at = (seconds) => new Date(Date.now() + seconds * 1_000).toISOString();

async function consoleOf(admin = root, options = {}) {
  const page = await on.page(options);
  await signIn(page, on.gateway, admin);
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Console" }).click();
  await page.getByRole("heading", { name: "Console", level: 1 }).waitFor();
  return page;
}

/** Someone's inbox, open in a browser of their own. */
async function inboxOf(role) {
  const user = on.someone(role);
  const page = await on.page();
  await signIn(page, on.gateway, user);
  return { user, page };
}

/** Announces by the API, as another admin would. */
async function announce(more) {
  const answer = await on.gateway.ask({ userId: "another", role: "ADMIN" }, "POST", "/broadcasts", { kind: "announcement", message: "Read it.", ...more });
  assert.equal(answer.status, answer.sentAt ? "sent" : "scheduled");
  return answer;
}

test("an admin sees who is online, by role, as they come and go", async () => {
  const page = await consoleOf();
  const online = region(page, "Online now");
  await online.locator("[data-count=admin]").getByText("1", { exact: true }).waitFor();
  const { user, page: doctor } = await inboxOf("DOCTOR");
  await online.locator(`[data-user="${user.userId}"]`).getByText(`${user.userId}@clinic.example`).waitFor();
  await online.locator("[data-count=doctor]").getByText("1", { exact: true }).waitFor();
  const { user: patient } = await inboxOf("PATIENT");
  await online.getByRole("button", { name: /^Patients/ }).click();
  await online.locator(`[data-user="${patient.userId}"]`).waitFor();
  assert.equal(await online.locator(`[data-user="${user.userId}"]`).count(), 0, "those of one role at a time");
  await accessible(page);
  await online.getByRole("button", { name: /^Doctors/ }).click();
  await doctor.context().close();
  await online.locator(`[data-user="${user.userId}"]`).waitFor({ state: "detached" });
  await online.locator("[data-count=doctor]").getByText("0", { exact: true }).waitFor();
});

test("an announcement is previewed, goes to whom it is for, and can be followed up", async () => {
  const page = await consoleOf();
  const [patient, doctor] = [await inboxOf("PATIENT"), await inboxOf("DOCTOR")];
  const title = "Closed on <b>Monday</b>";
  await page.getByLabel("Title").fill(title);
  await page.getByLabel("Message").fill("We are back on Tuesday.\nTake care.");
  await page.getByRole("checkbox", { name: "Patients" }).check();
  assert.equal(await page.getByRole("checkbox", { name: "Everyone" }).isChecked(), false, "roles take the place of everyone");
  await page.getByRole("group", { name: "Preview" }).getByText(title).waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Sent.", { exact: true }).waitFor();
  await broadcast(page, title).getByText("Announcement · Patients · by root").waitFor();
  await patient.page.locator("main article").getByRole("heading", { name: title }).waitFor();
  assert.equal(await doctor.page.getByText("Monday").count(), 0);

  await broadcast(page, title).getByRole("button", { name: /^What became of it/ }).click();
  const outcome = page.locator("[data-trace='role:patient']");
  await outcome.getByText("Read by nobody yet").waitFor();
  await patient.page.getByRole("button", { name: `Mark read: ${title}` }).click();
  // A node writes down once a second for how many it has queued something.
  await until(async () => {
    await page.getByRole("button", { name: "Look", exact: true }).click();
    const text = await outcome.innerText();
    return /Queued for \d+ connection/.test(text) && text.includes(`Read by 1: ${patient.user.userId}`);
  }, "it says for how many it was queued, and who has read it");
  await region(page, "Who did what").getByText("root announced: announcement to patients").waitFor();
  await accessible(page);
});

test("sent again because the answer was lost, it is announced once", async () => {
  const page = await consoleOf();
  let lost = false;
  await page.route("**/api/v1/broadcasts", async (route) => {
    if (lost || route.request().method() !== "POST") return route.continue();
    lost = true;
    await route.fetch();
    return route.abort();
  });
  await page.getByLabel("Title").fill("Once");
  await page.getByLabel("Message").fill("And no more.");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("The gateway cannot be reached.").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Sent.", { exact: true }).waitFor();
  const { items } = await on.gateway.ask(root, "GET", "/broadcasts");
  assert.equal(items.filter(({ title }) => title === "Once").length, 1);
});

test("one that is scheduled can be changed and called off", async () => {
  const page = await consoleOf(root, { timezoneId: "Europe/Berlin" });
  await page.getByLabel("Title").fill("Stocktaking");
  await page.getByLabel("Message").fill("The pharmacy is closed.");
  await page.getByLabel("Send at (empty: now)").fill("2027-01-04T09:00");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Scheduled.", { exact: true }).waitFor();
  await broadcast(page, "Stocktaking").getByText("Scheduled for Mon 4 Jan, 09:00").waitFor();

  await page.getByRole("button", { name: "Edit: Stocktaking" }).click();
  await page.getByRole("heading", { name: "Change what is scheduled" }).waitFor();
  assert.equal(await page.getByLabel("Message").inputValue(), "The pharmacy is closed.");
  assert.equal(await page.getByLabel("Send at").inputValue(), "2027-01-04T09:00");
  await accessible(page);
  await page.getByLabel("Title").fill("Stocktaking again");
  await page.getByLabel("Send at").fill("2027-01-05T10:30");
  await page.getByRole("checkbox", { name: "Doctors" }).check();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.", { exact: true }).waitFor();
  await broadcast(page, "Stocktaking again").getByText("Scheduled for Tue 5 Jan, 10:30").waitFor();
  const { items } = await on.gateway.ask(root, "GET", "/broadcasts?status=scheduled");
  const { title, publishAt, audience, message, version } = items[0];
  assert.deepEqual([title, publishAt, audience], ["Stocktaking again", "2027-01-05T09:30:00.000Z", ["role:doctor"]]);
  assert.deepEqual([message, version], ["The pharmacy is closed.", 2]);

  await page.getByRole("button", { name: "Call off: Stocktaking again" }).click();
  await broadcast(page, "Stocktaking again").getByText(/^Called off \w+ \d/).waitFor();
  await region(page, "Who did what").getByText("root called an announcement off").waitFor();
});

test("what another admin did first is said in words, and then shown", async () => {
  const page = await consoleOf();
  const theirs = await announce({ title: "Parking", publishAt: at(3_600) });
  await page.reload();
  on.expect(/status of 4(09|22)/);
  await page.getByRole("button", { name: "Edit: Parking" }).click();
  const other = { userId: "another", role: "ADMIN" };
  await on.gateway.ask(other, "PATCH", `/broadcasts/${theirs.id}`, { version: theirs.version, title: "Parking and bicycles" });
  await page.getByLabel("Title").fill("Parking, mine");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Another admin has changed it meanwhile.").waitFor();
  await page.getByRole("button", { name: "Leave it as it is" }).click();
  await page.getByRole("button", { name: "Edit: Parking and bicycles" }).waitFor();
  await on.gateway.ask(other, "DELETE", `/broadcasts/${theirs.id}`);
  await page.getByRole("button", { name: "Call off: Parking and bicycles" }).click();
  const card = broadcast(page, "Parking and bicycles");
  await card.getByRole("alert").getByText("It could not be called off. The broadcast is canceled.").waitFor();
  await card.getByText(/^Called off/).waitFor();
  assert.equal(await card.getByRole("button", { name: /^Edit/ }).count(), 0);

  // What the gateway refuses is said by the fields' own names.
  await page.getByLabel("Title").fill("Too early");
  await page.getByLabel("Message").fill("Yesterday.");
  await page.getByLabel("Send at (empty: now)").fill("2020-01-01T00:00");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText(/^Send at must /).waitFor();
});

test("scheduled, sent, sent late, missed: the list says where each stands", async () => {
  const page = await consoleOf();
  await announce({ title: "Soon", publishAt: at(12) });
  await announce({ title: "Never", publishAt: at(3_600), expiresAt: at(3_601) });
  const long = await announce({ title: "Was late", audience: ["role:doctor"] });
  await page.reload();
  await broadcast(page, "Never").getByText(/^Scheduled for/).waitFor();
  // It is sent while the page looks on; nobody reloads it.
  await broadcast(page, "Soon").getByText(/^Sent \w+ \d/).waitFor();

  // Nobody is there when it is due, and when somebody is, its time is over.
  const short = await announce({ title: "Missed", publishAt: at(20), expiresAt: at(21) });
  await on.gateway.kill();
  await until(() => Date.now() > Date.parse(short.expiresAt), "its time is over");
  await on.gateway.restart();
  // After so long its next try may be half a minute away.
  await page.reload();
  await broadcast(page, "Missed").getByText(/^Missed: it was to be sent/).waitFor();

  // Only an outage of more than a minute makes one late, which no test waits for: this one is said to be.
  await page.route("**/api/v1/broadcasts?*", async (route) => {
    const answer = await route.fetch();
    const page = await answer.json();
    for (const one of page.items) if (one.id === long.id) Object.assign(one, { late: true, publishAt: at(-600) });
    await route.fulfill({ response: answer, json: page });
  });
  await page.reload();
  await broadcast(page, "Was late").getByText(/^Sent late, .*; it was meant for/).waitFor();
  await accessible(page);
});

test("an emergency stays with each until they acknowledge it, and the admin sees by role who has", async () => {
  const [patient, doctor] = [await inboxOf("PATIENT"), await inboxOf("DOCTOR")];
  const page = await consoleOf();
  await page.getByRole("radio", { name: "Emergency" }).check();
  await page.getByLabel("Title").fill("Evacuate building B");
  await page.getByLabel("Message").fill("Use the stairs.");
  await page.getByRole("checkbox", { name: "Doctors" }).check();
  await page.getByRole("checkbox", { name: "Patients" }).check();
  await page.getByRole("group", { name: "Preview" }).getByText("Stays on screen").waitFor();
  await accessible(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const card = broadcast(page, "Evacuate building B");
  await card.getByText(/^0 of \d+ have acknowledged$/).waitFor();

  const banner = (of) => of.page.getByRole("group", { name: "Urgent announcement" });
  await banner(doctor).waitFor();
  await banner(patient).getByRole("button", { name: "Acknowledge" }).click();
  await banner(patient).waitFor({ state: "detached" });
  await card.getByText(/^1 of \d+ have acknowledged$/).waitFor();
  await card.getByRole("listitem").filter({ hasText: "Patients" }).getByText(/^1 of \d+$/).waitFor();
  await card.getByRole("listitem").filter({ hasText: "Doctors" }).getByText(/^0 of \d+$/).waitFor();
  await card.getByText("Who has not yet").click();
  await card.getByText(doctor.user.userId, { exact: true }).waitFor();
  // Opened, the list is asked for anew; until its answer is here, the names are those of before.
  await card.getByText(patient.user.userId, { exact: true }).waitFor({ state: "detached" });
  await accessible(page);
  // It is no matter of reading: all else read, it stays, and is not lost under what came since.
  for (let index = 0; index < 25; index += 1) await on.gateway.tell(doctor.user, `Number ${index}`);
  await doctor.page.getByRole("button", { name: "Mark all read" }).click();
  await until(async () => (await on.gateway.unread(doctor.user)) === 1, "the emergency alone is unread");
  await doctor.page.reload();
  await banner(doctor).getByRole("button", { name: "Acknowledge" }).click();
  await banner(doctor).waitFor({ state: "detached" });
  await card.getByText(/^2 of \d+ have acknowledged$/).waitFor();
  await card.getByText(doctor.user.userId, { exact: true }).waitFor({ state: "detached" });
  await doctor.page.reload();
  await doctor.page.locator("main article").first().waitFor();
  assert.equal(await banner(doctor).count(), 0);
});

test("maintenance is announced with its window, and counts down where it is read", async () => {
  const patient = await inboxOf("PATIENT");
  const page = await consoleOf();
  await page.getByRole("radio", { name: "Maintenance" }).check();
  await page.getByLabel("Title").fill("Booking is away");
  await page.getByLabel("Message").fill("Everything else works.");
  const local = (minutes) => page.evaluate((ahead) => new Date(Date.now() + ahead * 60_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16), minutes);
  await page.getByLabel("Starts").fill(await local(40));
  await page.getByLabel("Ends").fill(await local(90));
  await page.getByRole("group", { name: "Preview" }).getByText(/ to .*, with a countdown$/).waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Sent.", { exact: true }).waitFor();
  await patient.page.getByRole("group", { name: "Maintenance" }).getByText(/^Starts in \d+ min/).waitFor();
});

test("for others there is no console, on the page or on the gateway", async () => {
  for (const role of ["PATIENT", "DOCTOR"]) {
    const asked = [];
    const user = on.someone(role);
    const page = await on.page();
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await signIn(page, on.gateway, user);
    await page.getByText("No notifications yet").waitFor();
    assert.equal(await page.getByRole("link", { name: "Console" }).count(), 0);
    await page.goto(`${on.gateway.url}/console`);
    await page.getByRole("heading", { name: "Your inbox", level: 1 }).waitFor();
    assert.equal(await page.getByText("Announce").count(), 0);
    assert.deepEqual(asked.filter((path) => /broadcasts|audit|presence\/(counts|users)|connections|events/.test(path)), []);
    assert.equal((await on.gateway.ask(user, "GET", "/broadcasts")).status, 403);
  }
});

test("the console fits a phone, and the keyboard alone suffices", async () => {
  const page = await consoleOf(root, { phone: true });
  await accessible(page);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), "nothing sticks out");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Console", "one is told where one is");
  const tabTo = async (name) => {
    for (let tabs = 0; tabs < 30; tabs += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((wanted) => (document.activeElement.labels?.[0] ?? document.activeElement).textContent.startsWith(wanted), name)) return;
    }
    assert.fail(`Tab does not come to ${name}`);
  };
  await tabTo("Announcement");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  await tabTo("Admins");
  await page.keyboard.press("Space");
  await tabTo("Title");
  await page.keyboard.type("By keyboard");
  await tabTo("Message");
  await page.keyboard.type("Alone");
  await tabTo("Send");
  await tabTo("Send");
  await page.keyboard.press("Enter");
  await broadcast(page, "By keyboard").getByText("Announcement · Admins").waitFor();
  await page.getByRole("link", { name: "Inbox" }).click();
  const { items } = await on.gateway.ask(root, "GET", "/notifications?limit=1");
  await row(page, items[0].id).getByRole("heading", { name: "By keyboard" }).waitFor();
});
