import { expect, it } from "vitest";

import { safeLink } from "../src/inbox/links";
import { day, relative, remaining } from "../src/inbox/time";

it.each(["/dashboard/appointments", "/", "/a?b=c#d", "https://example.com/x?y"])("links to %j", (url) => {
  expect(safeLink(url)).toBe(url);
});

it.each([
  "javascript:alert(1)",
  "JaVa\tScript:alert(1)",
  " javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:x",
  "//evil.example",
  "/\\evil.example",
  "\\\\evil.example",
  "/\t/evil.example",
  "http://example.com",
  "https://user@evil.example",
  "https://",
  "appointments",
  "\u0000/x",
  "",
  null,
  undefined,
])("does not link to %j", (url) => {
  expect(safeLink(url)).toBeUndefined();
});

const NOW = Date.parse("2026-11-22T12:00:00Z");
const before = (seconds: number) => new Date(NOW - seconds * 1_000).toISOString();

it.each([
  [-5, "just now"],
  [10, "just now"],
  [50, "1 min. ago"],
  [5 * 60, "5 min. ago"],
  [3 * 3_600, "3 hr. ago"],
  [2 * 86_400, "2 days ago"],
])("says of %i seconds ago: %s", (seconds, words) => {
  expect(relative(before(seconds), NOW)).toBe(words);
});

it("groups by the viewer's days", () => {
  const noon = new Date(2026, 10, 22, 12).getTime();
  const at = (dayOfMonth: number, hour: number) => new Date(2026, 10, dayOfMonth, hour).toISOString();
  expect(["22", "21", "20"].map((one) => day(at(Number(one), 23), noon))).toEqual(["Today", "Yesterday", "Friday, November 20"]);
  expect(day(at(22, 0), noon)).toBe("Today");
});

it("counts down", () => {
  expect([7_500_000, 249_000, 9_100, -5].map(remaining)).toEqual(["2 h 5 min", "4 min 09 s", "10 s", "0 s"]);
});
