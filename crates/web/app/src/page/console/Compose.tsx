import { type FormEvent, useState } from "react";

import { inWords, newKey, request, useInbox } from "../../inbox";
import type { Broadcast, BroadcastKind } from "../../inbox/api.gen";
import { Choices } from "./Choices";
import { AUDIENCES, KINDS, localOf } from "./kinds";
import { Preview, type Words } from "./Preview";

interface Props {
  /** The scheduled one that is changed; without it a new one is made. */
  editing: Broadcast | undefined;
  /** It has worked, and how. */
  onDone: (words: string) => void;
  onFault: (words: string) => void;
  /** Whatever was said last no longer fits. */
  onWrite: () => void;
  onLeave: () => void;
}

const INSTANTS = { publishAt: "Send at", startsAt: "Starts", endsAt: "Ends", expiresAt: "Hide after" } as const;
type InstantName = keyof typeof INSTANTS;
const LABELS = { ...INSTANTS, title: "Title", message: "Message", audience: "To", actionUrl: "Leads to" };

/** Writes to everyone or to some roles, now or at a time, and shows beforehand what they will see. */
export function Compose({ editing, onDone, onFault, onWrite, onLeave }: Props) {
  const { options } = useInbox();
  const [words, setWords] = useState<Words>(() => wordsOf(editing));
  const [to, setTo] = useState<readonly string[]>(editing?.audience ?? ["all"]);
  // The same until it has worked, or something is different: sent twice, it is published once.
  const [key, setKey] = useState(newKey);
  const [busy, setBusy] = useState(false);
  const write = (change: Partial<Words>) => setWords((before) => ({ ...before, ...change }));
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    try {
      const body = bodyOf(new FormData(form), words, to, editing);
      if (editing) {
        await request(options, "PATCH", `/broadcasts/${editing.id}`, { version: editing.version, ...body });
        return onDone("Saved.");
      }
      const { status } = await request<Broadcast>(options, "POST", "/broadcasts", body, { "idempotency-key": key });
      form.reset();
      setWords(wordsOf(undefined));
      setTo(["all"]);
      setKey(newKey());
      onDone(status === "scheduled" ? "Scheduled." : "Sent.");
    } catch (fault) {
      onFault(refusalInWords(fault));
    } finally {
      setBusy(false);
    }
  };
  const anew = () => {
    setKey(newKey());
    onWrite();
  };
  return (
    <form onSubmit={(event) => void send(event)} onChange={anew} className="grid gap-3">
      <h2 id="compose" className="font-semibold">
        {editing ? "Change what is scheduled" : "Announce"}
      </h2>
      {editing ? (
        <p className="text-sm text-soft">{KINDS[editing.kind].label}</p>
      ) : (
        <Choices
          legend="Kind"
          name="kind"
          type="radio"
          all={kinds}
          chosen={[words.kind]}
          onChoose={([kind]) => write({ kind: kind as BroadcastKind })}
        />
      )}
      <Choices
        legend="To"
        name="audience"
        type="checkbox"
        all={AUDIENCES}
        chosen={to}
        onChoose={(next) => setTo(audienceAfter(to, next))}
      />
      <label className="field">
        Title
        <input
          name="title"
          required
          maxLength={200}
          value={words.title}
          onChange={(event) => write({ title: event.target.value })}
          autoComplete="off"
          dir="auto"
        />
      </label>
      <label className="field">
        Message
        <textarea
          name="message"
          required
          rows={3}
          maxLength={2_000}
          value={words.message}
          onChange={(event) => write({ message: event.target.value })}
          dir="auto"
        />
      </label>
      {words.kind === "maintenance" && (
        <div className="grid gap-3 sm:grid-cols-2">
          {(["startsAt", "endsAt"] as const).map((name) => (
            <label key={name} className="field">
              {INSTANTS[name]}
              <input
                type="datetime-local"
                name={name}
                required
                value={words[name]}
                onChange={(event) => write({ [name]: event.target.value })}
              />
            </label>
          ))}
        </div>
      )}
      <div className="grid gap-3 sm:grid-cols-2">
        <Instant name="publishAt" hint={editing ? "" : " (empty: now)"} editing={editing} required={editing !== undefined} />
        <Instant name="expiresAt" hint=" (empty: never)" editing={editing} />
      </div>
      <label className="field">
        Leads to (empty: nowhere)
        <input name="actionUrl" defaultValue={editing?.actionUrl ?? ""} placeholder="/dashboard/…" autoComplete="off" spellCheck={false} />
      </label>
      <Preview words={words} />
      <div className="flex flex-wrap items-center gap-3">
        <button type="submit" className="ci-button ci-primary" disabled={busy || to.length === 0}>
          {editing ? "Save" : "Send"}
        </button>
        {editing && (
          <button type="button" className="ci-button" onClick={onLeave}>
            Leave it as it is
          </button>
        )}
      </div>
    </form>
  );
}

const kinds = Object.fromEntries(Object.entries(KINDS).map(([kind, { label }]) => [kind, label]));

function Instant({
  name,
  hint,
  editing,
  required,
}: {
  name: InstantName;
  hint: string;
  editing: Broadcast | undefined;
  required?: boolean;
}) {
  return (
    <label className="field">
      {INSTANTS[name] + hint}
      <input type="datetime-local" name={name} defaultValue={localOf(editing?.[name])} required={required} />
    </label>
  );
}

function wordsOf(editing: Broadcast | undefined): Words {
  const { kind = "announcement", title = "", message = "" } = editing ?? {};
  return { kind, title, message, startsAt: localOf(editing?.startsAt), endsAt: localOf(editing?.endsAt) };
}

/** Everyone includes every role, so it is either everyone or roles. */
function audienceAfter(before: readonly string[], next: readonly string[]): readonly string[] {
  if (!next.includes("all")) return next;
  return before.includes("all") ? next.filter((room) => room !== "all") : ["all"];
}

/** What is sent: of a change only what is different, so that no instant loses its seconds by having been shown. */
function bodyOf(form: FormData, { kind, title, message }: Words, audience: readonly string[], editing: Broadcast | undefined): object {
  const actionUrl = String(form.get("actionUrl")) || null;
  const instants = (Object.keys(INSTANTS) as InstantName[]).flatMap((name) => {
    const local = String(form.get(name) ?? "");
    if (local === localOf(editing?.[name])) return [];
    return [[name, local ? new Date(local).toISOString() : null] as const];
  });
  const whole = {
    title,
    message,
    audience,
    ...(actionUrl !== (editing?.actionUrl ?? null) && { actionUrl }),
    ...Object.fromEntries(instants),
  };
  return editing ? whole : { kind, ...whole };
}

function refusalInWords(fault: unknown): string {
  const words = inWords(fault, LABELS);
  const code = (fault as { code?: string }).code;
  if (code === "not_scheduled") return `It is too late to change it. ${words}`;
  if (code === "version_mismatch") return `Another admin has changed it meanwhile. ${words} Leave it, and edit it again.`;
  return words;
}
