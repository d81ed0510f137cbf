// Draws every state of the page at two widths, light and dark: `node screenshots.mjs FOLDER [PATTERN]`.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { ann, axe, bell, doc, Gateway, launch, root, signIn } from "./harness.mjs";

const [folder = "screenshots", pattern = ""] = process.argv.slice(2);
const SIZES = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
];

const STORY = [
  ["Your prescription is ready", "PRESCRIPTION_CREATED", "medium", "You can collect it at the clinic's pharmacy from 9:00."],
  ["Payment received", "PAYMENT_COMPLETED", "high", "We received 120 EUR. Thank you."],
  ["Appointment moved", "APPOINTMENT_UPDATED", "high", "Your appointment on Thursday now begins at 14:30 in room 4."],
  ["موعدك يوم الخميس", "APPOINTMENT_UPDATED", "medium", "تم تغيير موعدك إلى الساعة 14:30."],
  ["How was your visit?", "REVIEW_REQUESTED", "low", "Two questions, one minute."],
];

const tellStory = async (gateway, user) => {
  for (const [title, type, priority, message] of STORY) {
    await gateway.tell(user, title, { type, priority, message, actionUrl: "/dashboard/appointments" });
  }
};

/** What an admin has announced, one of each kind and standing. */
const announceAll = async (gateway) => {
  const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
  // Those who have been here before are who is to acknowledge.
  for (const one of [doc, { userId: "doc-2", role: "DOCTOR" }, ann]) await gateway.ask(one, "GET", "/notifications");
  const say = (body) => gateway.ask(root, "POST", "/broadcasts", { kind: "announcement", message: "Read it.", ...body });
  await say({ title: "Flu vaccinations begin on Monday", audience: ["role:patient"] });
  const off = await say({ title: "Summer party", publishAt: at(900) });
  await gateway.ask(root, "DELETE", `/broadcasts/${off.id}`);
  await say({ title: "New parking rules", audience: ["role:doctor", "role:admin"], publishAt: at(3_000) });
  await say({ kind: "emergency", title: "Evacuate building B", message: "Use the stairs.", audience: ["role:doctor"] });
  const { items } = await gateway.ask(doc, "GET", "/notifications?limit=1");
  await gateway.ask(doc, "POST", `/notifications/${items[0].id}/ack`);
};

/** Each state: how a page of its own gets there. */
const STATES = {
  "sign-in": async ({ page, demo }) => {
    await page.goto(demo.url);
    await page.getByText("Who would you like to be?").waitFor();
  },
  token: ({ page, gateway }) => page.goto(gateway.url).then(() => page.getByLabel("Your token").waitFor()),
  empty: async ({ page, gateway }) => {
    await signIn(page, gateway, { userId: `nobody-${page.viewportSize().width}`, role: "PATIENT" });
    await page.getByText("No notifications yet").waitFor();
  },
  inbox: ({ page, gateway }) => signIn(page, gateway, ann).then(() => page.locator("article").first().waitFor()),
  admin: ({ page, gateway }) => signIn(page, gateway, root).then(() => page.locator("article").first().waitFor()),
  console: async ({ page, gateway }) => {
    await signIn(page, gateway, root);
    await page.getByRole("link", { name: "Console" }).click();
    await page.locator("[data-acks]").waitFor();
    await page.getByRole("radio", { name: "Maintenance" }).check();
    await page.getByLabel("Title").fill("Booking is away tonight");
    await page.getByLabel("Message").fill("From ten to eleven. Everything else works.");
    await page.getByLabel("Starts").fill("2027-01-04T22:00");
    await page.getByLabel("Ends").fill("2027-01-04T23:00");
    await page.getByRole("button", { name: /^What became of it: Evacuate/ }).click();
    await page.locator("[data-trace]").waitFor();
    await page.evaluate(() => scrollTo(0, 0));
  },
  settings: async ({ page, gateway }) => {
    await signIn(page, gateway, ann);
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("checkbox", { name: "Reviews" }).waitFor();
  },
  doctors: async ({ page, gateway }) => {
    const guest = { userId: `guest-${Math.random()}`.slice(0, 12).replace(".", ""), role: "PATIENT" };
    await tellStory(gateway, guest);
    await gateway.tell(guest, "Your appointment", { data: { doctorId: "marin" } });
    await signIn(page, gateway, guest);
    await page.getByText("Doctor marin").waitFor();
  },
  panel: async ({ page, gateway }) => {
    await signIn(page, gateway, ann);
    await bell(page).click();
    await page.locator("dialog article").first().waitFor();
  },
  toast: async ({ page, gateway }) => {
    const guest = { userId: `guest-${Math.random()}`.slice(0, 12).replace(".", ""), role: "PATIENT" };
    await signIn(page, gateway, guest);
    await page.getByText("No notifications yet").waitFor();
    await tellStory(gateway, guest);
    await page.locator("[data-toast]").nth(2).waitFor();
  },
  banners: async ({ page, gateway }) => {
    const guest = { userId: `guest-${Math.random()}`.slice(0, 12).replace(".", ""), role: "PATIENT" };
    const at = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();
    await gateway.tell(guest, "Maintenance tonight", { type: "MAINTENANCE", priority: "high", data: { startsAt: at(95), endsAt: at(155) } });
    await gateway.tell(guest, "Evacuate building B", { type: "EMERGENCY", priority: "urgent", message: "Use the stairs on the north side." });
    await signIn(page, gateway, guest);
    await page.locator("[data-banner=urgent]").waitFor();
  },
  offline: async ({ page, gateway }) => {
    await signIn(page, gateway, ann);
    await page.context().setOffline(true);
    await page.locator("[data-status=offline]").waitFor();
  },
  returned: async ({ page, gateway }) => {
    const guest = { userId: `guest-${Math.random()}`.slice(0, 12).replace(".", ""), role: "PATIENT" };
    await signIn(page, gateway, guest);
    await page.context().setOffline(true);
    await page.locator("[data-status=offline]").waitFor();
    await tellStory(gateway, guest);
    await page.context().setOffline(false);
    await page.locator("[data-return]").waitFor();
  },
  section: async ({ page, gateway }) => {
    await signIn(page, gateway, ann);
    await page.locator("main article a").first().click();
    await page.getByText("Back to the inbox").waitFor();
  },
  demo: async ({ page, demo }) => {
    await page.goto(`${demo.url}/demo`);
    for (const index of [0, 1, 2]) await page.locator("[data-pane] [data-status=live]").nth(index).waitFor();
    await page.locator("[data-pane=patient]").getByRole("button", { name: /^Cut the network/ }).click();
    await page.getByRole("combobox", { name: "Event" }).selectOption("appointment:updated");
    await page.getByRole("button", { name: "Publish 10" }).click();
    await page.locator("[data-outcome]").waitFor();
    await page.locator("[data-pane=patient]").getByRole("button", { name: /^Give it back/ }).click();
    // At least the ten: the clinic works on.
    await page.locator("[data-pane=patient] [data-returned]").waitFor();
    await page.locator("[data-pane=doctor]").getByRole("button", { name: /^Cut the network/ }).click();
    await page.locator("[data-pane=doctor] [data-status=reconnecting]").waitFor();
  },
};

await mkdir(folder, { recursive: true });
const [gateway, demo, browser] = await Promise.all([Gateway.start(), Gateway.start({ command: "demo" }), launch()]);
try {
  await tellStory(gateway, ann);
  for (let index = 0; index < 25; index += 1) await gateway.tell(ann, `Appointment ${index + 1} confirmed`, { type: "APPOINTMENT_UPDATED" });
  await tellStory(gateway, ann);
  await tellStory(gateway, root);
  await announceAll(gateway);
  for (const [name, reach] of Object.entries(STATES)) {
    if (!name.includes(pattern)) continue;
    for (const viewport of SIZES) {
      const context = await browser.newContext({ viewport, hasTouch: viewport.width < 400, reducedMotion: "reduce", locale: "en-GB" });
      const page = await context.newPage();
      await reach({ page, gateway, demo });
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        const file = join(folder, `${name}-${viewport.width}-${colorScheme}.png`);
        await page.screenshot({ path: file, fullPage: name === "demo" || name === "console" });
        // The picture of the README.
        if (name === "demo") await page.locator("[data-panes]").screenshot({ path: file.replace("demo", "panes") });
        for (const fault of await axe(page)) console.log(`${file}: ${fault}`);
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  await Promise.all([gateway.stop(), demo.stop()]);
}
