import { type FormEvent, useState } from "react";

import type { AdminApi } from "./api";

/** What became of one publish: to whom it went, whom it reached, and who has read it. */
export function Trace({ api }: { api: AdminApi }) {
  const [found, setFound] = useState<string>();
  const look = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const id = String(new FormData(event.currentTarget).get("eventId")).trim();
    try {
      const outcome = await api.outcome(id);
      setFound(outcome ? JSON.stringify(outcome, null, 2) : "No publish with this id is known.");
    } catch (fault) {
      setFound(fault instanceof Error ? fault.message : String(fault));
    }
  };
  return (
    <form onSubmit={(event) => void look(event)} aria-labelledby="trace" className="card grid gap-3 p-4">
      <h2 id="trace" className="font-semibold">
        What became of a publish
      </h2>
      <label className="field">
        Its event id
        <input name="eventId" required autoComplete="off" spellCheck={false} />
      </label>
      <button type="submit" className="ci-button justify-self-start">
        Look
      </button>
      <pre role="status" className="overflow-x-auto text-[0.8125rem] whitespace-pre-wrap wrap-anywhere empty:hidden">
        {found}
      </pre>
    </form>
  );
}
