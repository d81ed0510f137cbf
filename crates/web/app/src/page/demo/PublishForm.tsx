import { type FormEvent, useState } from "react";

import { inWords, newKey } from "../../inbox";
import type { Published } from "../../inbox/api.gen";
import { Icon } from "../../inbox/icons";
import { tokenOf, type User } from "../session";
import type { Receipts } from "./DemoPage";
import { EVENTS, type EventKind, publish } from "./events";

interface Outcome {
  sentAt: number;
  storedAfter: number;
  published: Published[];
}

/** Publishes any of the eight events by the API, as a service would, and says who got it and when. */
export function PublishForm({ admin, users, receipts }: { admin: User; users: User[]; receipts: Receipts }) {
  const [kind, setKind] = useState<EventKind>(EVENTS[0]!);
  const [outcome, setOutcome] = useState<Outcome>();
  const [fault, setFault] = useState<string>();
  const [waiting, setWaiting] = useState(false);
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const times = Number((event.nativeEvent as SubmitEvent).submitter?.getAttribute("value") ?? 1);
    const form = new FormData(event.currentTarget);
    setFault(undefined);
    setOutcome(undefined);
    try {
      const caller = { getToken: tokenOf({ user: admin }) };
      const sentAt = Date.now();
      const bodies = Array.from({ length: times }, () => bodyOf(kind, form));
      const published = await Promise.all(bodies.map((body) => publish(caller, body, () => setWaiting(true))));
      setOutcome({ sentAt, storedAfter: Date.now() - sentAt, published });
    } catch (problem) {
      setFault(inWords(problem));
    } finally {
      setWaiting(false);
    }
  };
  return (
    <form onSubmit={(event) => void send(event)} aria-labelledby="publish" className="card grid gap-3 p-4">
      <h2 id="publish" className="font-semibold">
        Publish an event
      </h2>
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <label className="field">
          Event
          <select value={kind.name} onChange={(event) => setKind(EVENTS.find(({ name }) => name === event.target.value) ?? kind)}>
            {EVENTS.map(({ name, label }) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <Fields kind={kind} users={users} />
      </div>
      <details>
        <summary className="min-h-11 cursor-pointer content-center text-sm text-soft">Other words, another priority</summary>
        <div className="grid gap-3 sm:grid-cols-4">
          {WORDS.map(([name, label, placeholder]) => (
            <label key={name} className="field">
              {label}
              <input name={name} placeholder={placeholder} autoComplete="off" />
            </label>
          ))}
          <label className="field">
            Priority
            <select name="priority">
              <option value="">The event's own</option>
              {["low", "medium", "high", "urgent"].map((priority) => (
                <option key={priority}>{priority}</option>
              ))}
            </select>
          </label>
        </div>
      </details>
      <div className="flex flex-wrap items-center gap-2">
        <button type="submit" value="1" className="ci-button ci-primary" disabled={waiting}>
          Publish
        </button>
        <button type="submit" value="10" className="ci-button" disabled={waiting}>
          Publish 10
        </button>
        <div role="status" className="min-w-0 flex-1 basis-64 text-sm">
          {waiting && <p className="text-high">The gateway does not answer. Trying again with the same key: it will be published once.</p>}
          {fault && <p className="text-urgent">{fault}</p>}
          {outcome && <Result outcome={outcome} receipts={receipts} />}
        </div>
      </div>
    </form>
  );
}

const WORDS = [
  ["title", "Title", "The event's own"],
  ["message", "Message", "The event's own"],
  ["actionUrl", "Leads to", "/dashboard/…"],
] as const;

function Fields({ kind, users }: { kind: EventKind; users: User[] }) {
  const choices = {
    doctorId: ["Doctor", users.filter(({ role }) => role === "DOCTOR")],
    patientId: ["Patient", users.filter(({ role }) => role === "PATIENT")],
    userId: ["User", users.filter(({ role }) => role !== "ADMIN")],
  } as const;
  const wanted = (["doctorId", "patientId", "userId"] as const).filter((need) => kind.needs.includes(need));
  return (
    <>
      {wanted.map((need) => (
        <label key={need} className="field">
          {choices[need][0]}
          <select name={need}>
            {choices[need][1].map(({ userId, name }) => (
              <option key={userId} value={userId}>
                {name}
              </option>
            ))}
          </select>
        </label>
      ))}
      {kind.statuses && (
        <label className="field">
          Status
          <select name="status" key={kind.name}>
            {kind.statuses.map((status) => (
              <option key={status}>{status}</option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

function bodyOf(kind: EventKind, form: FormData): object {
  const text = (name: string) => String(form.get(name) ?? "");
  // Ids that the form does not ask for are of this publish alone.
  const data = Object.fromEntries(kind.needs.map((need) => [need, text(need) || `demo-${newKey().slice(0, 8)}`]));
  const words = Object.fromEntries(["title", "message", "priority"].flatMap((name) => (text(name) ? [[name, text(name)]] : [])));
  return { event: kind.name, data, actionUrl: text("actionUrl") || kind.actionUrl, ...words };
}

function Result({ outcome: { sentAt, storedAfter, published }, receipts }: { outcome: Outcome; receipts: Receipts }) {
  const rooms = [...new Set(published.flatMap(({ notifications }) => notifications.map(({ room }) => room)))];
  const got = published.flatMap(({ notifications }) => notifications.flatMap(({ id }) => receipts.get(id) ?? []));
  const names = [...new Set(got.map(({ name }) => name))];
  return (
    <p data-outcome={published.length} className="text-soft">
      <Icon name="check" className="me-1 inline size-4 text-good" />
      <strong className="font-medium text-ink">Stored in {inSeconds(storedAfter)}</strong> for {rooms.join(", ")}.{" "}
      {names.map((name) => {
        const mine = got.filter((receipt) => receipt.name === name);
        const last = Math.max(...mine.map(({ at }) => at)) - sentAt;
        return (
          <span key={name} data-got={mine.length}>
            {name} has {mine.length > 1 ? `all ${mine.length}` : "it"} after {inSeconds(last)}.{" "}
          </span>
        );
      })}
    </p>
  );
}

const inSeconds = (ms: number) => (ms < 1_000 ? `${Math.max(1, ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);
