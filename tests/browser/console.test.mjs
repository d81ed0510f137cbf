// INBOX.md, "Page": the admin's console and the doctors online. Where the gateway has no such routes yet, a stand-in
// answers as the contract says; without it, nothing of the console shows.

import assert from "node:assert/strict";
import { test } from "node:test";

import { root, signIn } from "./harness.mjs";
import { accessible, stage } from "./stage.mjs";

const on = stage();

/** Answers an admin's routes; gives what was sent to them. */
async function standIn(page) {
  const sent = [];
  let list = [{ id: "b1", kind: "emergency", title: "Drill", message: "A drill.", status: "sent" }];
  await page.route("**/api/v1/**", (route) => {
    const request = route.request();
    const path = new URL(request.url()).pathname.replace("/api/v1", "");
    sent.push([request.method(), path, request.postDataJSON()]);
    const answers = {
      "GET /presence/counts": { admin: 1, doctor: 12, patient: 340, connections: 401 },
      "GET /presence/users": { items: [{ userId: "doc", email: "doc@clinic.example", role: "DOCTOR" }] },
      "GET /broadcasts": { items: list },
      "GET /broadcasts/b1/acks": { broadcastId: "b1", acked: 3, of: 8 },
      "GET /events/e1": { rooms: ["all"], readBy: 4 },
    };
    if (request.method() === "POST") list = [{ id: "b2", status: "scheduled", ...request.postDataJSON() }, ...list];
    if (request.method() === "DELETE") list = list.filter(({ id }) => id !== "b2");
    const answer = answers[`${request.method()} ${path}`] ?? {};
    return route.fulfill({ status: request.method() === "POST" ? 201 : 200, json: answer });
  });
  return sent;
}

test("an admin sees who is online, announces with a preview, calls off, and looks a publish up", async () => {
  const page = await on.page({ timezoneId: "Europe/Berlin" });
  const sent = await standIn(page);
  await signIn(page, on.gateway, root);
  await page.getByRole("region", { name: "Online now" }).getByText("340").waitFor();
  await page.getByText("3 of 8 have acknowledged").waitFor();
  await accessible(page);
  await page.getByLabel("Title").fill("Closed on <Monday>");
  await page.getByLabel("Message").fill("We are back on Tuesday.");
  await page.getByRole("group", { name: "Preview" }).getByText("Closed on <Monday>").waitFor();
  await page.getByLabel("Send at (empty: now)").fill("2027-01-04T09:00");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("Scheduled.").waitFor();
  const [, , body] = sent.find(([method]) => method === "POST");
  const words = { title: "Closed on <Monday>", message: "We are back on Tuesday." };
  assert.deepEqual(body, { kind: "announcement", ...words, audience: ["all"], publishAt: "2027-01-04T08:00:00.000Z" });
  await page.getByRole("button", { name: "Call off: Closed on <Monday>" }).click();
  await page.getByRole("button", { name: "Call off: Closed on <Monday>" }).waitFor({ state: "detached" });
  assert.ok(sent.some(([method, path]) => method === "DELETE" && path === "/broadcasts/b2"));
  await page.getByRole("combobox", { name: "Kind" }).selectOption("maintenance");
  await page.getByLabel("Starts").waitFor();
  await page.getByLabel("Its event id").fill("e1");
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByText('"readBy": 4').waitFor();
  await accessible(page);
});

test("what the gateway does not have does not show", async () => {
  const page = await on.page();
  await page.route("**/api/v1/**", (route) => route.fulfill({ status: 404, json: { title: "Not found" } }));
  const asked = page.waitForResponse(/api\/v1\/broadcasts/);
  await signIn(page, on.gateway, root);
  await asked;
  await page.getByText("No notifications yet").waitFor();
  for (const name of ["Online now", "Announce", "What became of a publish"]) assert.equal(await page.getByText(name).count(), 0, name);
});

test("a patient's page never asks for an admin's routes", async () => {
  const page = await on.page();
  const sent = await standIn(page);
  await signIn(page, on.gateway, on.someone());
  await page.getByText("No notifications yet").waitFor();
  assert.deepEqual(sent, []);
});
