// The gateway's HTTP API, as whoever is signed in.

import type { Problem } from "./api.gen";
import { type ConnectionOptions, Fault } from "./connection";

export type Caller = Pick<ConnectionOptions, "url" | "getToken">;

/** Asks the API under `/api/v1`; gives the answer's body. Fails in the words of the server, or because nothing answers. */
export async function request<T>(
  caller: Caller,
  method: string,
  path: string,
  body?: object,
  more: Record<string, string> = {},
): Promise<T> {
  let answer: Response;
  try {
    const headers: Record<string, string> = { authorization: `Bearer ${await caller.getToken()}`, ...more };
    if (body) headers["content-type"] = "application/json";
    answer = await fetch(`${caller.url ?? ""}/api/v1${path}`, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      cache: "no-store",
    });
  } catch {
    throw new Fault("offline", "The gateway cannot be reached.");
  }
  const said: unknown = await answer.json().catch(() => ({}));
  if (answer.ok) return said as T;
  const problem = said as Partial<Problem>;
  const words = problem.detail ?? problem.title ?? `The gateway answered ${answer.status}.`;
  throw new Fault(problem.code ?? String(answer.status), words, problem.errors);
}

/** What went wrong; with what is wrong in which field, by its label. */
export function inWords(fault: unknown, labels: Record<string, string> = {}): string {
  if (!(fault instanceof Fault)) return fault instanceof Error ? fault.message : String(fault);
  const named = fault.errors.map(({ pointer, detail }) => {
    const field = pointer.split("/")[1] ?? "";
    return `${labels[field] ?? field} ${detail}.`;
  });
  return named.join(" ") || fault.message;
}

/** An `Idempotency-Key` of its own; unlike `randomUUID` it can be had on a page without TLS too. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
