// One gateway and one browser for the tests of a file; each test opens pages of its own.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { axe, Gateway, launch, rows, signIn } from "./harness.mjs";

/** A machine may be busy with other tests. */
const PATIENCE_MS = 30_000;
/** What Chromium itself writes where a test has cut the network or killed the gateway. */
const LOST = /net::ERR_|WebSocket connection to/;

const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };

/** Call it at the top of a file. */
export function stage(settings) {
  const stage = { gateway: undefined, browser: undefined };
  const contexts = [];
  const faults = [];
  const expected = [];
  before(async () => {
    [stage.gateway, stage.browser] = await Promise.all([Gateway.start(settings), launch()]);
  });
  after(async () => {
    await stage.browser?.close();
    await stage.gateway?.stop();
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    expected.length = 0;
    assert.deepEqual(faults.splice(0), [], "the page threw, wrote an error to its console, or asked for what its policy forbids");
  });

  /** A browser of someone's own, with one page. */
  stage.page = async ({ phone = false, ...options } = {}) => {
    const context = await stage.browser.newContext({ viewport: phone ? PHONE : WIDE, hasTouch: phone, locale: "en-GB", reducedMotion: "reduce", ...options });
    contexts.push(context);
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && !LOST.test(text) && !expected.some((one) => one.test(text))) faults.push(text);
    });
    return page;
  };

  /** Until the end of this test, such an error in a page's console is no fault of the page. */
  stage.expect = (error) => expected.push(error);

  let people = 0;
  /** Someone nobody has told anything yet. */
  stage.someone = (role = "PATIENT") => ({ userId: `someone-${(people += 1)}`, role });

  /** Someone signed in, with notifications of these titles; gives the page, who it is, and the ids. */
  stage.signedIn = async (titles = [], { role, more, ...options } = {}) => {
    const user = stage.someone(role);
    const ids = [];
    for (const title of titles) ids.push(await stage.gateway.tell(user, title, more));
    const page = await stage.page(options);
    await signIn(page, stage.gateway, user);
    // The page is live before its list has come; the first page of it has 20.
    const first = Math.min(titles.length, 20);
    await until(async () => (await rows(page).count()) === first, "the list has come");
    return { page, user, ids, tell: (title, more) => stage.gateway.tell(user, title, more) };
  };
  return stage;
}

/** Axe finds nothing on this page as it is now, nor in its dark colours. */
export async function accessible(page) {
  assert.deepEqual(await axe(page), []);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(await axe(page, ["color-contrast"]), [], "dark");
  await page.emulateMedia({ colorScheme: null });
}

/** Waits until it is true; the message says what never became so. */
export async function until(check, message) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await check())) {
    assert.ok(Date.now() < end, message);
    await new Promise((later) => setTimeout(later, 25));
  }
}
