import { lazy, Suspense } from "react";

import { usePresence } from "../inbox";
import { Icon } from "../inbox/icons";
import { relative } from "../inbox/time";
import { Link } from "./Link";
import { isAdmin, type Session } from "./session";
import { useDemoUsers } from "./useDemoUsers";

const Console = lazy(() => import("./console/Console"));

/** Beside the inbox: the doctors online, an admin's console, and in the demo what to try. */
export function Aside({ session }: { session: Session }) {
  const users = useDemoUsers() ?? [];
  const doctors = users.filter((user) => user.role === "DOCTOR" && user.userId !== session.user.userId);
  return (
    <aside aria-label="Around the inbox" className="order-1 grid min-w-0 gap-4 empty:hidden lg:order-2">
      <Doctors names={new Map(doctors.map((doctor) => [doctor.userId, doctor.name]))} />
      {isAdmin(session.user) && (
        <Suspense>
          <Console session={session} />
        </Suspense>
      )}
      {users.length > 0 && <TryThis />}
    </aside>
  );
}

function Doctors({ names }: { names: Map<string, string> }) {
  const presence = usePresence([...names.keys()]);
  if (!presence) return null;
  return (
    <section aria-labelledby="doctors" className="card p-4">
      <h2 id="doctors" className="font-semibold">
        Doctors
      </h2>
      <ul className="mt-2 grid gap-2 text-sm">
        {presence.map(({ doctorId, online, lastSeen }) => (
          <li key={doctorId} className="flex items-center gap-2">
            <span aria-hidden="true" className={`rounded-full border-5 ${online ? "border-good" : "border-control"}`} />
            <span className="flex-1">{names.get(doctorId) ?? doctorId}</span>
            <span className="text-soft">{online ? "online" : lastSeen ? `seen ${relative(lastSeen, Date.now())}` : "offline"}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function TryThis() {
  return (
    <section aria-labelledby="try" className="card p-4 max-lg:hidden">
      <h2 id="try" className="font-semibold">
        Try this
      </h2>
      <ol className="mt-2 grid list-decimal gap-2 ps-5 text-sm text-soft">
        <li>Stop the gateway in its terminal with Ctrl+C, wait a little, and start it again.</li>
        <li>This page comes back by itself and says what it had missed: it is all here, each once.</li>
        <li>Read something, and watch another tab follow.</li>
      </ol>
      <Link href="/demo" className="ci-button mt-3">
        <Icon name="columns" className="size-4" /> Three roles side by side
      </Link>
    </section>
  );
}
