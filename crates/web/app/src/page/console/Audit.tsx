import { useEffect, useState } from "react";

import type { Action, AuditEntry, AuditPage } from "../../inbox/api.gen";
import { AUDIENCES, moment } from "./kinds";
import { useAnswer } from "./useAnswer";

/** The most that one answer may hold. */
const MOST = 1_000;
const HOUR_MS = 3_600_000;
const SPANS: Record<string, number> = { "the last hour": HOUR_MS, "the last day": 24 * HOUR_MS, "the last week": 168 * HOUR_MS };

const DEEDS: Record<Action, string> = {
  "broadcast.created": "announced",
  "broadcast.changed": "changed an announcement",
  "broadcast.canceled": "called an announcement off",
  "user.status_changed": "changed the status of",
  "user.erased": "erased",
};

/** Who did what, newest first. */
export function Audit({ changes }: { changes: number }) {
  const [span, setSpan] = useState("the last day");
  // Kept while the span is the same: another instant would be another question.
  const [since, setSince] = useState(() => sinceOf("the last day"));
  const { answer, fault, reload } = useAnswer<AuditPage>(`/audit?since=${since}&limit=${MOST}`);
  useEffect(() => {
    if (changes > 0) void reload();
  }, [changes, reload]);
  const choose = (next: string) => {
    setSpan(next);
    setSince(sinceOf(next));
  };
  return (
    <section aria-labelledby="audit" className="card p-4">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h2 id="audit" className="font-semibold">
          Who did what
        </h2>
        <label className="field">
          <span className="sr-only">Of what time</span>
          <select value={span} onChange={(event) => choose(event.target.value)}>
            {Object.keys(SPANS).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {fault && <p className="mt-2 text-sm text-urgent">{fault}</p>}
      {answer?.items.length === 0 && <p className="mt-2 text-sm text-soft">Nothing in this time</p>}
      <ol className="mt-2 grid max-h-96 overflow-y-auto text-sm" tabIndex={0} aria-label="Who did what, newest first">
        {answer?.items.toReversed().map((entry) => (
          <li key={entry.id} data-audit={entry.action} className="border-t border-line py-2 first:border-0">
            <p className="wrap-anywhere">
              <strong className="font-semibold">{entry.actor.replace(/^user:/, "")}</strong> {deedInWords(entry)}
            </p>
            <p className="text-soft">
              <time dateTime={entry.at}>{moment(entry.at)}</time>
            </p>
          </li>
        ))}
      </ol>
      {answer?.page.next != null && (
        <p className="mt-1 text-sm text-soft">There is more: these are the first {MOST.toLocaleString()} of that time.</p>
      )}
    </section>
  );
}

const sinceOf = (span: string) => new Date(Date.now() - (SPANS[span] ?? HOUR_MS)).toISOString();

function deedInWords({ action, subject, detail }: AuditEntry): string {
  const deed = DEEDS[action] ?? action;
  if (action === "user.status_changed") return `${deed} ${subject} to ${String(detail.status).toLowerCase()}`;
  if (action === "user.erased") return `${deed} ${subject}`;
  if (action !== "broadcast.created") return deed;
  const to = Array.isArray(detail.audience)
    ? detail.audience
        .map((room) => AUDIENCES[room] ?? room)
        .join(", ")
        .toLowerCase()
    : "";
  return `${detail.publishAt ? "scheduled" : deed}: ${String(detail.kind)} to ${to}`;
}
