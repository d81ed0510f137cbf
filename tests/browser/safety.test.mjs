// What reaches the page is text, whatever it holds; what the page asks for is the gateway's own, and little.

import assert from "node:assert/strict";
import { test } from "node:test";

import { axe, bell, root, row, rows, signIn, token } from "./harness.mjs";
import { accessible, stage, until } from "./stage.mjs";

const on = stage();

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "\"><svg onload=alert(1)>",
  "{{constructor.constructor('alert(1)')()}}",
  "javascript:alert(1)",
  "\u202Egnp.exe\u202C right to left",
  "\u200Bzero\u200Dwidth\uFEFF",
  "<a href=\"javascript:alert(1)\">click</a>",
  "&lt;b&gt; &amp;",
  "%3Cscript%3E",
];

test("every text of a notification is shown as text", async () => {
  const page = await on.page();
  const dialogs = [];
  page.on("dialog", (dialog) => dialogs.push(dialog.message()) && dialog.dismiss());
  const user = on.someone();
  await signIn(page, on.gateway, user);
  const ids = [];
  for (const text of HOSTILE) {
    ids.push(await on.gateway.tell(user, text, { message: text, data: { text, [text]: text }, type: "A_TYPE" }));
  }
  for (const [index, text] of HOSTILE.entries()) {
    const title = await row(page, ids[index]).getByRole("heading").textContent();
    assert.equal(title, `Unread: ${text}`);
    assert.equal(await row(page, ids[index]).locator("p").textContent(), text);
  }
  const urgent = await on.gateway.tell(user, HOSTILE[0], { message: HOSTILE[1], priority: "urgent" });
  const banner = page.getByRole("group", { name: "Urgent announcement" });
  assert.deepEqual(await banner.locator("p").allTextContents(), [HOSTILE[0], HOSTILE[1]]);
  await bell(page).click();
  await page.locator(`dialog [data-id="${urgent}"]`).waitFor();
  assert.equal(await page.locator("main img[src=x], dialog img, main script, main svg[onload]").count(), 0);
  assert.deepEqual(dialogs, []);
  await accessible(page);
});

test("right-to-left text keeps to its own line and side", async () => {
  const { page, ids } = await on.signedIn(["موعدك يوم الخميس"]);
  const title = row(page, ids[0]).locator("h4 [dir=auto]");
  assert.equal(await title.evaluate((element) => getComputedStyle(element).direction), "rtl");
});

test("only a path of this origin or an https address becomes a link, whatever the server sends", async () => {
  const page = await on.page();
  const bad = ["javascript:alert(1)", "JaVa\tScript:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example", "http://plain.example", "https://user@evil.example", "\u0000/x", "vbscript:x"];
  const good = ["/dashboard/payments", "https://fine.example/"];
  // The gateway refuses such addresses, so they are put in between.
  await page.routeWebSocket(/socket\.io/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => socket.send(String(message).replace(/"actionUrl":"\/\?(\d+)"/, (_, index) => `"actionUrl":${JSON.stringify([...bad, ...good][index])}`)));
  });
  const user = on.someone();
  await signIn(page, on.gateway, user);
  await page.getByText("No notifications yet").waitFor();
  const ids = [];
  for (const index of [...bad, ...good].keys()) {
    ids.push(await on.gateway.tell(user, `Number ${index}`, { actionUrl: `/?${index}`, priority: index % 2 ? "urgent" : "low" }));
  }
  await row(page, ids.at(-1)).waitFor();
  for (const index of bad.keys()) assert.equal(await row(page, ids[index]).getByRole("link").count(), 0, bad[index]);
  const links = await page.locator("main a").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.deepEqual([...new Set(links)].toSorted(), good.toSorted());
});

test("the first load is under 150 KiB, asks no other origin, and obeys a policy without exception", async () => {
  const page = await on.page();
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).origin));
  page.on("websocket", (socket) => asked.push(new URL(socket.url()).origin.replace(/^ws/, "http")));
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  let bytes = 0;
  network.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const answer = await page.goto(on.gateway.url, { waitUntil: "networkidle" });
  assert.ok(bytes > 10_000 && bytes < 150 * 1_024, `${bytes} bytes`);
  console.log(`first load: ${(bytes / 1_024).toFixed(1)} KiB of 150`);
  const policy = (await answer.allHeaders())["content-security-policy"];
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|nonce|data:|ws:|wss:|\*/);
  const user = on.someone();
  await on.gateway.tell(user, "One", { priority: "urgent" });
  await page.getByLabel("Your token").fill(token(user));
  await page.getByRole("button", { name: "Sign in" }).click();
  await rows(page).first().waitFor();
  await bell(page).click();
  await page.getByRole("dialog").waitFor();
  assert.deepEqual([...new Set(asked)], [new URL(on.gateway.url).origin]);
  assert.equal(await page.locator("[style]").count(), 0, "no style attribute");
});

test("an admin's inbox, dark, in forced colours, and enlarged has nothing for axe to find", async () => {
  for (const options of [{ colorScheme: "dark" }, { forcedColors: "active" }, { viewport: { width: 640, height: 400 } }]) {
    const page = await on.page(options);
    await signIn(page, on.gateway, root);
    await on.gateway.tell(root, "High", { priority: "high", actionUrl: "/dashboard" });
    await on.gateway.tell(root, "Low", { priority: "low" });
    await until(async () => (await rows(page).count()) > 1, "both are there");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
    assert.deepEqual(await axe(page), []);
  }
});
