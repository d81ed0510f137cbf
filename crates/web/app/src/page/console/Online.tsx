import { useEffect, useState } from "react";

import { useSocket } from "../../inbox";
import type { Counts, UserNews, UserPage, UserState } from "../../inbox/api.gen";
import { useAnswer } from "./useAnswer";

const ROLES = [
  ["admin", "Admins"],
  ["doctor", "Doctors"],
  ["patient", "Patients"],
] as const;
type RoleName = (typeof ROLES)[number][0];

/** The most that one answer may hold. */
const MOST = 1_000;

const roleOf = ({ role }: UserState): RoleName => (role === "DOCTOR" ? "doctor" : role === "PATIENT" ? "patient" : "admin");

/** Who is online now, by role, as they come and go. */
export function Online() {
  const { counts, people } = useOnline();
  const [role, setRole] = useState<RoleName>("doctor");
  const shown = people.answer?.users.filter((user) => roleOf(user) === role) ?? [];
  const { connections = 0 } = counts.answer ?? {};
  return (
    <section aria-labelledby="online" className="card p-4">
      <h2 id="online" className="font-semibold">
        Online now
        <span className="ms-2 text-sm font-normal text-soft">
          {connections === 1 ? "1 connection" : `${connections} connections`} in all
        </span>
      </h2>
      <div role="group" aria-label="Whom to list" className="mt-2 grid grid-cols-3 gap-2">
        {ROLES.map(([name, label]) => (
          <button
            key={name}
            type="button"
            aria-pressed={role === name}
            className="grid cursor-pointer justify-items-center rounded-lg border border-transparent bg-ground p-2 hover:border-accent aria-pressed:border-accent aria-pressed:bg-tint"
            onClick={() => setRole(name)}
          >
            <span className="text-[0.8125rem] text-soft">{label}</span>{" "}
            <span data-count={name} className="text-xl font-semibold tabular-nums">
              {counts.answer?.[name] ?? "–"}
            </span>
          </button>
        ))}
      </div>
      {people.fault && <p className="mt-2 text-sm text-urgent">{people.fault}</p>}
      <ul className="mt-2 grid max-h-60 overflow-y-auto text-sm" tabIndex={0} aria-label={`${labelOf(role)} online`}>
        {shown.map(({ userId, email }) => (
          <li key={userId} data-user={userId} className="flex min-h-8 items-center gap-2">
            <span aria-hidden="true" className="shrink-0 rounded-full border-4 border-good" />
            <span className="truncate" title={email ?? userId}>
              {email ?? userId}
            </span>
          </li>
        ))}
        {people.answer && shown.length === 0 && <li className="min-h-8 content-center text-soft">Nobody</li>}
      </ul>
      {people.answer?.page.next && <p className="mt-1 text-sm text-soft">Listed are the first {MOST.toLocaleString()} users by id.</p>}
    </section>
  );
}

const labelOf = (role: RoleName) => ROLES.find(([name]) => name === role)?.[1] ?? "";

/** Counts and people, asked for at each connect and kept current by what is told from then on. */
function useOnline() {
  const socket = useSocket();
  const counts = useAnswer<Counts>("/presence/counts");
  const people = useAnswer<UserPage>(`/presence/users?online=true&limit=${MOST}`);
  const { change: count } = counts;
  const { change } = people;
  useEffect(() => {
    if (!socket) return;
    const counted = (told: Counts) => count(() => told);
    const without = ({ userId }: UserNews, { users }: UserPage) => users.filter((user) => user.userId !== userId);
    const came = (news: UserNews) =>
      change((page) => {
        const user: UserState = { userId: news.userId, email: news.email, role: news.role, online: true, lastSeen: null };
        return { ...page, users: [...without(news, page), user].toSorted((a, b) => (a.userId < b.userId ? -1 : 1)) };
      });
    const went = (news: UserNews) => change((page) => ({ ...page, users: without(news, page) }));
    socket.on("presence:counts", counted).on("user:online", came).on("user:offline", went);
    return () => void socket.off("presence:counts", counted).off("user:online", came).off("user:offline", went);
  }, [socket, count, change]);
  return { counts, people };
}
