import { beforeEach, expect, it } from "vitest";

import { Fault } from "../src/inbox/connection";
import { Muting } from "../src/inbox/muting";

interface Question {
  method: string;
  muted: readonly string[] | undefined;
  answer(muted: string[]): Promise<void>;
  refuse(): Promise<void>;
}

let questions: Question[];
let muting: Muting;
const settled = () => new Promise<void>((done) => setImmediate(done));
const known = () => muting.getSnapshot();

beforeEach(() => {
  questions = [];
  muting = new Muting(
    (method, body) =>
      new Promise((resolve, reject) => {
        questions.push({
          method,
          muted: body?.muted,
          answer: (muted) => (resolve({ muted }), settled()),
          refuse: () => (reject(new Fault("unavailable", "The store is away.")), settled()),
        });
      }),
  );
});

/** The next question, which must be this one. */
async function asks(method: string, muted?: string[]): Promise<Question> {
  await settled();
  const question = questions.shift()!;
  expect([question.method, question.muted]).toEqual([method, muted]);
  return question;
}

async function loaded(muted: string[]): Promise<void> {
  muting.load();
  await (await asks("GET")).answer(muted);
}

it("changes nothing before it knows the list", async () => {
  muting.setMuted("A", true);
  await settled();
  expect(questions).toEqual([]);
  expect(known().muted).toBeUndefined();
});

it("changes the whole list, one change after the other, and keeps what the gateway has stored", async () => {
  await loaded(["A"]);
  muting.setMuted("B", true);
  muting.setMuted("A", false);
  expect(known().muted).toEqual(["B"]);
  await (await asks("PUT", ["A", "B"])).answer(["A", "B"]);
  expect(known().muted).toEqual(["B"]);
  await (await asks("PUT", ["B"])).answer(["B", "ANOTHER"]);
  expect(known().muted).toEqual(["B", "ANOTHER"]);
});

it("is not undone by a list that was asked for before the change", async () => {
  await loaded([]);
  muting.load();
  const before = await asks("GET");
  muting.setMuted("A", true);
  await before.answer([]);
  expect(known().muted).toEqual(["A"]);
  muting.setMuted("B", true);
  await (await asks("PUT", ["A"])).answer(["A"]);
  await (await asks("PUT", ["A", "B"])).answer(["A", "B"]);
  expect(known().muted).toEqual(["A", "B"]);
});

it("takes back what the gateway refuses, and says so until the next change", async () => {
  await loaded([]);
  muting.setMuted("A", true);
  await (await asks("PUT", ["A"])).refuse();
  await (await asks("GET")).answer([]);
  expect(known()).toEqual({ muted: [], fault: "The store is away." });
  muting.setMuted("B", true);
  expect(known().fault).toBeUndefined();
});

it("forgets that the list could not be had once it can", async () => {
  muting.load();
  await (await asks("GET")).refuse();
  expect(known().fault).toBe("The store is away.");
  await loaded([]);
  expect(known()).toEqual({ muted: [], fault: undefined });
});
