// Who is signed in on this tab, and where their tokens come from.

import { useSyncExternalStore } from "react";

import type { GetToken } from "../inbox";

export type Role = "ADMIN" | "SUPER_ADMIN" | "DOCTOR" | "PATIENT";

export interface User {
  userId: string;
  name: string;
  role: Role;
  email?: string | undefined;
}

export interface Session {
  user: User;
  /** A pasted token; a demo user's is asked for at each connect, so that it comes back after the demo was restarted. */
  token?: string;
}

const KEY = "carillon:session";
export const OFFSET_KEY = "carillon:offset";
const changed = new Set<() => void>();
let session = read();

function read(): Session | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

function write(next: Session | undefined): void {
  session = next;
  if (next) sessionStorage.setItem(KEY, JSON.stringify(next));
  else sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(OFFSET_KEY);
  changed.forEach((tell) => tell());
}

export function useSession(): Session | undefined {
  return useSyncExternalStore(
    (tell) => {
      changed.add(tell);
      return () => changed.delete(tell);
    },
    () => session,
  );
}

export const signInAs = (user: User) => write({ user });
export const signOut = () => write(undefined);

/** Signs in with a pasted token; says what is wrong with one that cannot be read. The gateway alone can tell if it is good. */
export function signInWith(token: string): string | undefined {
  const user = readToken(token.trim());
  if (!user) return "This does not look like a token: it should have three parts with a dot between them.";
  write({ user, token: token.trim() });
  return undefined;
}

function readToken(token: string): User | undefined {
  try {
    const [, claims = ""] = token.split(".");
    const bytes = Uint8Array.from(atob(claims.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const { userId, sub, role, email } = JSON.parse(new TextDecoder().decode(bytes));
    const id = String(userId ?? sub);
    return { userId: id, name: email ? String(email) : id, role: String(role).toUpperCase() as Role, email };
  } catch {
    return undefined;
  }
}

export function tokenOf({ user, token }: Session): GetToken {
  if (token !== undefined) return () => token;
  return async () => {
    const answer = await fetch(`/demo/token/${encodeURIComponent(user.userId)}`, { cache: "no-store" });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    return answer.text();
  };
}

/** The demo's users; none where this gateway is no demo. */
export async function demoUsers(): Promise<User[]> {
  const answer = await fetch("/demo/users").catch(() => undefined);
  return answer?.ok ? ((await answer.json()) as User[]) : [];
}

export function isAdmin({ role }: User): boolean {
  return role === "ADMIN" || role === "SUPER_ADMIN";
}

export function roleInWords(role: Role): string {
  return { ADMIN: "Admin", SUPER_ADMIN: "Super admin", DOCTOR: "Doctor", PATIENT: "Patient" }[role] ?? role;
}
