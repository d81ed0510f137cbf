// What the library promises those who build it into an application of their own.

import { readFile, readdir } from "node:fs/promises";

import { renderToString } from "react-dom/server";
import { build } from "vite";
import { expect, it } from "vitest";

// @ts-expect-error a script, which has no types
import { generate } from "../scripts/types.mjs";
import { AnnouncementBanner, Announcer, ConnectionStatus, Inbox, NotificationBell, NotificationProvider, Toaster } from "../src/inbox";

const LIBRARY = new URL("../src/inbox/", import.meta.url);

it("its types are those of the committed API documents", async () => {
  const committed = await readFile(new URL("api.gen.ts", LIBRARY), "utf8");
  expect(committed, "run `npm run types`").toBe(await generate());
});

it("it can be drawn on a server, where there is no socket, no storage and no window", () => {
  const drawn = renderToString(
    <NotificationProvider getToken={() => "token"}>
      <NotificationBell />
      <ConnectionStatus />
      <AnnouncementBanner />
      <Inbox />
      <Toaster />
      <Announcer />
    </NotificationProvider>,
  );
  expect(drawn).toContain('aria-label="Notifications"');
});

it("every file with a hook or a component says that it is the client's", async () => {
  for (const name of await readdir(LIBRARY)) {
    const text = await readFile(new URL(name, LIBRARY), "utf8");
    if (/\.tsx?$/.test(name) && /from "react"/.test(text)) expect(text, name).toMatch(/^"use client";/);
  }
});

it("who takes one function of it gets no more than that", async () => {
  const entry = new URL("one-function.ts", import.meta.url).pathname;
  const built = await build({ configFile: false, logLevel: "silent", build: { write: false, lib: { entry, formats: ["es"] } } });
  const [{ output }] = built as unknown as [{ output: [{ code: string }] }];
  expect(output[0].code.length).toBeLessThan(1_000);
});
