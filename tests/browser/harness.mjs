// What the browser's tests stand on: the real binary, Debian's Chromium, users with tokens, and a publisher.

import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const SECRET = "a-secret-for-tests-alone-0123456789abcdef";
const KEY = "publish-key-for-tests-alone";
const BUILT = fileURLToPath(new URL("../../target/debug/carillon", import.meta.url));

export const ann = { userId: "ann", role: "PATIENT" };
export const doc = { userId: "doc", role: "DOCTOR" };
export const root = { userId: "root", role: "ADMIN" };

export function token({ userId, role }, seconds = 3_600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1_000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ userId, role, email: `${userId}@clinic.example`, iat: now, exp: now + seconds })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

/** A gateway of its own, in its own folder. */
export class Gateway {
  #settings;
  #dir;
  #child;

  static async start({ command = "serve", ...settings } = {}) {
    const gateway = new Gateway();
    gateway.#dir = await mkdtemp(join(tmpdir(), "carillon-browser-"));
    gateway.#settings = { command, port: 0, ...settings };
    await gateway.#spawn();
    return gateway;
  }

  async #spawn() {
    const { command, port, ...settings } = this.#settings;
    const binary = process.env.CARILLON_BIN ?? BUILT;
    const env = { SOCKET_PORT: String(port), PUBLISH_KEYS: `tests:${KEY}`, DRAIN_SECONDS: "1", ...settings };
    if (command === "serve") env.JWT_SECRET = SECRET;
    this.#child = spawn(binary, [command], { cwd: this.#dir, env, stdio: ["ignore", "pipe", process.env.LOG ? "inherit" : "ignore"] });
    for await (const line of createInterface(this.#child.stdout)) {
      this.url = /^listening on (http:\S+?)\/?$/.exec(line)?.[1] ?? this.url;
      if (line.startsWith("listening on")) break;
    }
    this.#child.stdout.resume();
    this.#settings.port = new URL(this.url).port;
    while (!(await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok) await new Promise((later) => setTimeout(later, 20));
  }

  /** As a power cut would. */
  async kill() {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** The same data, the same port. */
  restart() {
    return this.#spawn();
  }

  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #post(path, body) {
    const headers = { authorization: `Bearer ${this.key ?? KEY}`, "content-type": "application/json", "idempotency-key": randomUUID() };
    const answer = await fetch(`${this.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (answer.status !== 201) throw new Error(`${answer.status}: ${text}`);
    return JSON.parse(text).notifications[0].id;
  }

  /** Notifies one user; gives the notification's id. */
  tell({ userId }, title, more = {}) {
    return this.#post("/api/v1/notifications", { to: [`user:${userId}`], type: "TEST", title, message: `About: ${title}`, ...more });
  }

  event(body) {
    return this.#post("/api/v1/events", body);
  }

  /** Asks the API as this user; gives the status and what was said. */
  async ask(user, method, path, body) {
    const headers = { authorization: `Bearer ${token(user)}`, ...(body && { "content-type": "application/json" }) };
    const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    return { status: answer.status, ...(await answer.json()) };
  }

  /** What the server counts for this user. */
  async unread(user) {
    return (await this.ask(user, "GET", "/notifications/unread-count")).unread;
  }
}

export function launch() {
  const executablePath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Opens the page and signs in by pasting a token. */
export async function signIn(page, gateway, user) {
  await page.goto(gateway.url);
  await page.getByLabel("Your token").fill(token(user));
  await page.getByRole("button", { name: "Sign in" }).click();
  await live(page);
}

/** Waits until the page says that it is live. */
export function live(page) {
  return page.locator("[data-status=live]").first().waitFor();
}

export const rows = (page) => page.locator("main article");
export const row = (page, id) => page.locator(`main article[data-id="${id}"]`);
export const bell = (page) => page.getByRole("button", { name: /^Notifications(,|$)/ });

const AXE = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");
/** Rows of one list are of the same kinds: the first few of each are looked at. */
const ALIKE = "article:nth-of-type(n + 6)";

/** What axe finds wrong, as text; empty is right. `rules`: those alone. */
export async function axe(page, rules) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const look = ([exclude, options]) => globalThis.axe.run({ include: [["html"]], exclude: [[exclude]] }, options);
  const { violations } = await page.evaluate(look, [ALIKE, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) }]);
  return violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join("\n")}`);
}
