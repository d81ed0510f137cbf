import { useEffect, useState } from "react";

import { useSocket } from "../../inbox";
import { exact } from "../../inbox/time";
import type { Acks, AdminApi, Broadcast } from "./api";

interface Props {
  api: AdminApi;
  list: Broadcast[];
  onChange: () => void;
}

/** What was announced and what is to be; that can still be called off. */
export function Broadcasts({ api, list, onChange }: Props) {
  const [fault, setFault] = useState<string>();
  const cancel = async (id: string) => {
    setFault(undefined);
    try {
      await api.call("DELETE", `/broadcasts/${encodeURIComponent(id)}`);
    } catch (problem) {
      setFault(problem instanceof Error ? problem.message : String(problem));
    }
    onChange();
  };
  return (
    <section aria-labelledby="broadcasts" className="card p-4">
      <h2 id="broadcasts" className="font-semibold">
        Announcements
      </h2>
      {fault && (
        <p role="alert" className="text-sm text-urgent">
          {fault}
        </p>
      )}
      <ul className="mt-2 grid gap-3 text-sm">
        {list.slice(0, 10).map((one) => (
          <li key={one.id} className="border-t border-line pt-2">
            <p dir="auto" className="font-medium wrap-anywhere">
              {one.title}
            </p>
            <p className="text-soft">
              {one.kind}
              {one.status && `, ${one.status.toLowerCase()}`}
              {one.publishAt && ` · ${exact(one.publishAt)}`}
            </p>
            {one.kind === "emergency" && <Acknowledged api={api} id={one.id} />}
            {one.status?.toLowerCase() === "scheduled" && (
              <button type="button" className="ci-button mt-1" aria-label={`Call off: ${one.title}`} onClick={() => void cancel(one.id)}>
                Call off
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Who has acknowledged an emergency, as it happens. */
function Acknowledged({ api, id }: { api: AdminApi; id: string }) {
  const socket = useSocket();
  const [acks, setAcks] = useState<Acks>();
  useEffect(() => {
    api.acks(id).then(setAcks, () => setAcks(undefined));
    const told = (change: Acks) => change.broadcastId === id && setAcks(change);
    socket?.on("broadcast:acks", told);
    return () => void socket?.off("broadcast:acks", told);
  }, [api, id, socket]);
  if (!acks) return null;
  return (
    <p className="text-soft">
      {acks.acked} of {acks.of} have acknowledged
    </p>
  );
}
