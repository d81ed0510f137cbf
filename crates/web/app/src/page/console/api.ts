// What an admin may ask the gateway for over HTTP. A route that this gateway does not have answers undefined, so that
// the console shows what there is and nothing else.

import type { GetToken } from "../../inbox";

export type Kind = "announcement" | "maintenance" | "emergency";

export interface Broadcast {
  id: string;
  kind: Kind;
  title: string;
  message: string;
  status?: string;
  audience?: string[];
  publishAt?: string | null;
  startsAt?: string | null;
  endsAt?: string | null;
}

/** Those online now, by role; `connections` counts tabs and devices. */
export interface Counts {
  admin: number;
  doctor: number;
  patient: number;
  connections: number;
}

export interface Person {
  userId: string;
  email?: string | null;
  role: string;
  online?: boolean;
}

export interface Acks {
  broadcastId?: string;
  acked: number;
  of: number;
  byRole?: Record<string, { acked: number; of: number }>;
}

export class AdminApi {
  constructor(private readonly getToken: GetToken) {}

  /** The answer's body; undefined where the route does not exist. Fails in the words of the server. */
  async call<T>(method: string, path: string, body?: object): Promise<T | undefined> {
    const headers: Record<string, string> = { authorization: `Bearer ${await this.getToken()}` };
    if (body) headers["content-type"] = "application/json";
    const answer = await fetch(`/api/v1${path}`, { method, headers, body: body ? JSON.stringify(body) : null, cache: "no-store" });
    if (answer.status === 404) return undefined;
    const said = answer.status === 204 ? {} : await answer.json();
    if (answer.ok) return said as T;
    const faults = (said.errors ?? []) as { pointer: string; detail: string }[];
    throw new Error(faults.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join("; ") || said.detail || said.title);
  }

  counts() {
    return this.call<Counts>("GET", "/presence/counts");
  }

  async people(): Promise<Person[] | undefined> {
    return listOf<Person>(await this.call("GET", "/presence/users?online=true"), "users");
  }

  async broadcasts(): Promise<Broadcast[] | undefined> {
    return listOf<Broadcast>(await this.call("GET", "/broadcasts"), "broadcasts");
  }

  acks(id: string) {
    return this.call<Acks>("GET", `/broadcasts/${encodeURIComponent(id)}/acks`);
  }

  outcome(eventId: string) {
    return this.call<Record<string, unknown>>("GET", `/events/${encodeURIComponent(eventId)}`);
  }
}

/** A list as it is, or inside `items` or a member of this name. */
function listOf<T>(answer: unknown, name: string): T[] | undefined {
  if (answer === undefined) return undefined;
  const members = answer as Record<string, unknown>;
  const list = Array.isArray(answer) ? answer : (members.items ?? members[name]);
  return Array.isArray(list) ? (list as T[]) : [];
}
