import { useCallback, useEffect, useRef, useState } from "react";

import type { InboxNotification } from "../../inbox";
import { Icon } from "../../inbox/icons";
import { Link } from "../Link";
import { isAdmin, type User } from "../session";
import { useDemoUsers } from "../useDemoUsers";
import { Pane } from "./Pane";
import { PublishForm } from "./PublishForm";

/** When each notification reached which pane. */
export type Receipts = ReadonlyMap<string, readonly { name: string; at: number }[]>;

/** Receipts of this many notifications are kept: more than one publish of the form makes. */
const MOST_RECEIPTS = 500;

/** Three people of the clinic side by side, and the hand of a service that publishes. */
export default function DemoPage() {
  const users = useDemoUsers();
  useEffect(() => {
    document.title = "Carillon demo";
  }, []);
  if (!users) return <p className="p-8 text-center text-soft">Loading…</p>;
  const shown = threeRoles(users);
  const admin = shown.find(isAdmin);
  if (!admin) return <NoDemo />;
  return <Stage users={users} shown={shown} admin={admin} />;
}

function threeRoles(users: User[]): User[] {
  const first = (is: (user: User) => boolean) => users.find(is) ?? [];
  return [first(isAdmin), first(({ role }) => role === "DOCTOR"), first(({ role }) => role === "PATIENT")].flat();
}

function Stage({ users, shown, admin }: { users: User[]; shown: User[]; admin: User }) {
  const [receipts, setReceipts] = useState<Receipts>(new Map());
  const received = useCallback((user: User, item: InboxNotification) => {
    const receipt = { name: user.name, at: Date.now() };
    setReceipts((before) => {
      const after = new Map(before).set(item.id, [...(before.get(item.id) ?? []), receipt]);
      for (const id of after.keys()) {
        if (after.size <= MOST_RECEIPTS) break;
        after.delete(id);
      }
      return after;
    });
  }, []);
  const [said, say] = useState("");
  const announce = useRef(say).current;
  return (
    <>
      <header className="border-b border-line bg-card">
        <div className="mx-auto flex max-w-7xl flex-wrap items-center gap-x-4 gap-y-1 px-3 py-3 sm:px-4">
          <Link href="/" className="flex items-center gap-2 rounded-lg text-lg font-semibold">
            <img src="/icon.svg" alt="" width={32} height={32} /> Carillon
          </Link>
          <h1 className="text-soft max-sm:sr-only">One clinic, three people</h1>
          <Link href="/" className="ci-button ci-quiet ms-auto">
            Your own inbox
          </Link>
        </div>
      </header>
      <main className="mx-auto grid max-w-7xl gap-4 px-3 py-4 sm:px-4">
        <PublishForm admin={admin} users={users} receipts={receipts} />
        <p className="flex items-start gap-2 text-sm text-soft">
          <Icon name="unplug" />
          <span>
            Cut someone's network, let the clinic work on or publish a few events, then give it back. Or kill the gateway (<code>pkill -9 carillon</code>),
            publish all the same, and start it again with <code>./just demo</code>. What was missed arrives at once, each notification once.
          </span>
        </p>
        <div data-panes className="grid items-start gap-4 lg:grid-cols-3">
          {shown.map((user) => (
            <Pane key={user.userId} user={user} onReceived={received} onSay={announce} />
          ))}
        </div>
        <p aria-live="polite" className="sr-only">
          {said}
        </p>
      </main>
    </>
  );
}

function NoDemo() {
  return (
    <main className="mx-auto grid max-w-xl justify-items-start gap-3 px-4 py-14">
      <h1 className="text-xl font-semibold">This gateway runs no demo</h1>
      <p className="text-soft">Three roles side by side need the demo's users: start it with <code>./just demo</code>.</p>
      <Link href="/" className="ci-button">
        To the inbox
      </Link>
    </main>
  );
}
