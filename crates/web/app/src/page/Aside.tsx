import { useNotifications, useNow, usePresence } from "../inbox";
import { Icon } from "../inbox/icons";
import { relative } from "../inbox/time";
import { Link } from "./Link";
import type { Session } from "./session";
import { useDemoUsers } from "./useDemoUsers";

/** The server lets one watch 100. */
const MOST_DOCTORS = 20;

/** Beside the inbox: the doctors whom it is about and whether they are online, and in the demo what to try. */
export function Aside({ session }: { session: Session }) {
  const users = useDemoUsers() ?? [];
  const { items } = useNotifications();
  const names = new Map(users.filter(({ role }) => role === "DOCTOR").map(({ userId, name }) => [userId, name]));
  const met = items.flatMap(({ data: { doctorId } }) => (typeof doctorId === "string" ? [doctorId] : []));
  const ids = [...new Set([...names.keys(), ...met])].filter((id) => id !== session.user.userId).slice(0, MOST_DOCTORS);
  return (
    <aside aria-label="Around the inbox" className="order-1 grid min-w-0 gap-4 empty:hidden lg:order-2">
      <Doctors ids={ids} names={names} />
      {users.length > 0 && <TryThis />}
    </aside>
  );
}

function Doctors({ ids, names }: { ids: string[]; names: Map<string, string> }) {
  const presence = usePresence(ids.toSorted());
  const now = useNow(30_000);
  if (!presence || presence.length === 0) return null;
  const online = presence.filter((doctor) => doctor.online).length;
  return (
    <section aria-labelledby="doctors" className="card p-4">
      <h2 id="doctors" className="font-semibold">
        Doctors
        <span className="ms-2 text-sm font-normal text-soft">{online} online</span>
      </h2>
      <ul className="mt-2 grid gap-2 text-sm sm:max-lg:grid-cols-2">
        {presence.map(({ doctorId, online, lastSeen }) => (
          <li key={doctorId} className="flex items-center gap-2">
            <span aria-hidden="true" className={`shrink-0 rounded-full border-5 ${online ? "border-good" : "border-control"}`} />
            <span className="min-w-0 flex-1 truncate">{names.get(doctorId) ?? `Doctor ${doctorId}`}</span>
            <span className="text-soft">{online ? "online" : lastSeen ? `seen ${relative(lastSeen, now)}` : "offline"}</span>
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
        <li>
          Kill the gateway: <code>pkill -9 carillon</code> in a terminal, or close the one it runs in.
        </li>
        <li>
          Start it again with the same command, <code>./just demo</code>. This page comes back by itself and says what it had missed: it is
          all here, each once.
        </li>
        <li>Read something, and watch another tab follow.</li>
      </ol>
      <Link href="/demo" className="ci-button mt-3">
        <Icon name="columns" className="size-4" /> Three roles side by side
      </Link>
    </section>
  );
}
