import { useEffect, useState } from "react";

import { useSocket } from "../../inbox";
import type { Acks, Tally } from "../../inbox/api.gen";
import { AUDIENCES } from "./kinds";
import { useAnswer } from "./useAnswer";

/** How an emergency is taken, by role and as it happens; and on demand who has not acknowledged it. */
export function Acknowledged({ id, title }: { id: string; title: string }) {
  const socket = useSocket();
  const { answer, change, reload } = useAnswer<Acks>(`/broadcasts/${id}/acks?acked=false`);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const told = (tally: Tally) => {
      if (tally.broadcastId !== id) return;
      change((acks) => ({ ...acks, ...tally }));
      if (open) void reload();
    };
    socket?.on("broadcast:acks", told);
    return () => void socket?.off("broadcast:acks", told);
  }, [id, socket, change, reload, open]);
  if (!answer) return null;
  const { acked, of, byRole, items, page } = answer;
  return (
    <div className="grid gap-1">
      <p data-acks={id} className="font-medium">
        {acked} of {of} have acknowledged
      </p>
      <ul className="flex flex-wrap gap-x-4 text-soft">
        {Object.entries(byRole).map(([role, share]) => (
          <li key={role} className="flex items-center gap-2">
            {AUDIENCES[`role:${role}`] ?? role}
            <meter
              aria-label={`${AUDIENCES[`role:${role}`] ?? role} who have acknowledged`}
              className="h-3 w-16"
              max={Math.max(1, share.of)}
              value={share.acked}
            />
            <span className="tabular-nums">
              {share.acked} of {share.of}
            </span>
          </li>
        ))}
      </ul>
      {acked < of && (
        <details
          onToggle={(event) => {
            setOpen(event.currentTarget.open);
            if (event.currentTarget.open) void reload();
          }}
        >
          <summary className="min-h-11 cursor-pointer content-center text-soft sm:min-h-9" aria-label={`Who has not yet: ${title}`}>
            Who has not yet
          </summary>
          <ul className="grid max-h-40 overflow-y-auto" tabIndex={0} aria-label="Those who have not acknowledged">
            {items.map(({ userId, role }) => (
              <li key={`${role}:${userId}`} className="flex justify-between gap-3">
                <span className="truncate">{userId}</span>
                <span className="text-soft">{role}</span>
              </li>
            ))}
            {page.next && <li className="text-soft">and more</li>}
          </ul>
        </details>
      )}
    </div>
  );
}
