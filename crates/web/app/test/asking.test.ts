import { expect, it } from "vitest";

import { Asking } from "../src/page/console/asking";

interface Question {
  resolve(answer: string): void;
  reject(fault: Error): void;
}

/** Questions that wait until the test answers them. */
function asked() {
  const questions: Question[] = [];
  const asking = new Asking<string>(() => new Promise((resolve, reject) => questions.push({ resolve, reject })));
  return { questions, asking };
}

it("says what went wrong beside the last answer, until there is a newer one", async () => {
  const { questions, asking } = asked();
  const answer = async (settle: (question: Question) => void) => {
    const done = asking.reload();
    settle(questions.at(-1)!);
    await done;
    return asking.getSnapshot();
  };
  expect(await answer(({ resolve }) => resolve("one"))).toEqual({ answer: "one" });
  expect(await answer(({ reject }) => reject(new Error("It is away.")))).toEqual({ answer: "one", fault: "It is away." });
  expect(await answer(({ resolve }) => resolve("two"))).toEqual({ answer: "two" });
});

it("keeps what is told while an answer is on its way", async () => {
  const { questions, asking } = asked();
  const first = asking.reload();
  asking.change((answer) => `${answer}+a`);
  questions[0]!.resolve("one");
  await first;
  expect(asking.getSnapshot()).toEqual({ answer: "one+a" });

  const second = asking.reload();
  asking.change((answer) => `${answer}+b`);
  expect(asking.getSnapshot()).toEqual({ answer: "one+a+b" });
  questions[1]!.resolve("two");
  await second;
  expect(asking.getSnapshot()).toEqual({ answer: "two+b" });
});

it("drops an answer that a later question has overtaken, and asks anew where too much is told meanwhile", async () => {
  const { questions, asking } = asked();
  const first = asking.reload();
  for (let told = 0; told < 1_000; told += 1) asking.change((answer) => `${answer}+`);
  expect(questions).toHaveLength(2);
  questions[1]!.resolve("two");
  questions[0]!.resolve("one");
  await first;
  expect(asking.getSnapshot()).toEqual({ answer: "two" });
});
