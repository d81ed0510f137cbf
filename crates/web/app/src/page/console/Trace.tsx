import { type FormEvent, useCallback, useEffect, useState } from "react";

import { inWords, request, useInbox } from "../../inbox";
import type { Explained, Trace as Part } from "../../inbox/api.gen";
import { exact } from "../../inbox/time";

/** What became of one publish: to whom it went, for how many sockets, and who has read it. */
export function Trace({ wanted }: { wanted: string }) {
  const { options } = useInbox();
  const [found, setFound] = useState<{ explained?: Explained; fault?: string }>({});
  const look = useCallback(
    async (id: string) => {
      const ask = request<Explained>(options, "GET", `/events/${encodeURIComponent(id)}`);
      setFound(
        await ask.then(
          (explained) => ({ explained }),
          (fault: unknown) => ({ fault: inWords(fault) }),
        ),
      );
    },
    [options],
  );
  useEffect(() => {
    if (wanted) void look(wanted);
  }, [wanted, look]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    void look(String(new FormData(event.currentTarget).get("eventId")).trim());
  };
  return (
    <form onSubmit={submit} className="grid gap-3">
      <h2 id="trace" className="font-semibold">
        What became of a publish
      </h2>
      <div className="flex items-end gap-2">
        <label className="field min-w-0 flex-1">
          Its event id
          <input name="eventId" required defaultValue={wanted} autoComplete="off" spellCheck={false} />
        </label>
        <button type="submit" className="ci-button">
          Look
        </button>
      </div>
      <div role="status" className="text-sm empty:hidden">
        {found.fault && <p className="text-urgent">{found.fault}</p>}
        {found.explained && <Outcome explained={found.explained} />}
      </div>
    </form>
  );
}

function Outcome({ explained: { event, createdAt, notifications } }: { explained: Explained }) {
  return (
    <div className="grid gap-2">
      <p className="text-soft">
        {event ?? "A plain notification"}, stored <time dateTime={createdAt}>{exact(createdAt)}</time>
      </p>
      <ul className="grid gap-2">
        {notifications.map((part) => (
          <li key={part.id} data-trace={part.room} className="rounded-lg bg-ground p-3">
            <p className="font-semibold wrap-anywhere">{part.room}</p>
            <p className="text-soft wrap-anywhere">{reachInWords(part)}</p>
            <p className="text-soft wrap-anywhere">{readInWords(part)}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}

function reachInWords({ reached }: Part): string {
  const nodes = Object.entries(reached);
  const sockets = nodes.reduce((sum, [, count]) => sum + count, 0);
  if (sockets === 0) return "Queued for no connection yet";
  return `Queued for ${sockets === 1 ? "1 connection" : `${sockets} connections`} (${nodes.map(([node, count]) => `${node}: ${count}`).join(", ")})`;
}

function readInWords({ readBy: { count, users } }: Part): string {
  if (count === 0) return "Read by nobody yet";
  const rest = count - users.length;
  return `Read by ${count}: ${users.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
