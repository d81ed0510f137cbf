import { useCallback, useEffect, useState } from "react";

import { useConnection, useSocket } from "../../inbox";
import { type Session, tokenOf } from "../session";
import { AdminApi, type Broadcast, type Counts, type Person } from "./api";
import { Broadcasts } from "./Broadcasts";
import { Compose } from "./Compose";
import { Trace } from "./Trace";

/** For admins: who is online, and what they announce. Each part shows only where the gateway has it. */
export default function Console({ session }: { session: Session }) {
  const [api] = useState(() => new AdminApi(tokenOf(session)));
  const { status } = useConnection();
  const [broadcasts, setBroadcasts] = useState<Broadcast[]>();
  const reload = useCallback(() => void api.broadcasts().then(setBroadcasts, () => setBroadcasts(undefined)), [api]);
  // What is there may differ after a restart: looked for at each connect.
  useEffect(() => {
    if (status === "live") reload();
  }, [status, reload]);
  return (
    <>
      <Online api={api} />
      {broadcasts && <Compose api={api} onDone={reload} />}
      {broadcasts && broadcasts.length > 0 && <Broadcasts api={api} list={broadcasts} onChange={reload} />}
      {broadcasts && <Trace api={api} />}
    </>
  );
}

const ROLES = [
  ["admin", "Admins"],
  ["doctor", "Doctors"],
  ["patient", "Patients"],
] as const;

function Online({ api }: { api: AdminApi }) {
  const socket = useSocket();
  const { status } = useConnection();
  const [counts, setCounts] = useState<Counts>();
  const [people, setPeople] = useState<Person[]>();
  useEffect(() => {
    if (status !== "live" || !socket) return;
    const look = () => void api.people().then(setPeople, () => setPeople(undefined));
    api.counts().then(setCounts, () => setCounts(undefined));
    look();
    socket.on("presence:counts", setCounts);
    socket.on("user:online", look);
    socket.on("user:offline", look);
    return () => {
      socket.off("presence:counts", setCounts);
      socket.off("user:online", look);
      socket.off("user:offline", look);
    };
  }, [api, socket, status]);
  if (!counts) return null;
  return (
    <section aria-labelledby="online" className="card p-4">
      <h2 id="online" className="font-semibold">
        Online now
      </h2>
      <dl className="mt-2 grid grid-cols-3 gap-2 text-center">
        {ROLES.map(([role, label]) => (
          <div key={role} className="rounded-lg bg-ground p-2">
            <dt className="text-[0.8125rem] text-soft">{label}</dt>
            <dd className="text-xl font-semibold tabular-nums">{counts[role]}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-2 text-sm text-soft">{counts.connections} connections in all</p>
      {people && people.length > 0 && (
        <details className="mt-1 text-sm">
          <summary className="min-h-11 cursor-pointer content-center text-soft">Who they are</summary>
          <ul className="grid max-h-60 gap-1 overflow-y-auto" tabIndex={0} aria-label="Users online">
            {people.map(({ userId, email, role }) => (
              <li key={userId} className="flex justify-between gap-2">
                <span className="truncate">{email ?? userId}</span>
                <span className="text-soft">{role.toLowerCase()}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
