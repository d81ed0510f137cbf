import { useNotifications, usePreferences } from "../inbox";
import { Icon, iconFor } from "../inbox/icons";
import { kindInWords } from "./kinds";
import { roleInWords, type Session, signOut } from "./session";

/** Events of these types are low or medium unless a publisher says otherwise, so that muting them has an effect. */
const QUIET = ["ANNOUNCEMENT", "PRESCRIPTION_CREATED", "REVIEW_CREATED", "SCHEDULE_UPDATED"];

/** What the reader wants to hear of, and who they are. */
export default function Settings({ session: { user } }: { session: Session }) {
  return (
    <div className="mx-auto grid w-full max-w-3xl gap-4">
      <h1 tabIndex={-1} className="px-1 text-xl font-semibold outline-none">
        Settings
      </h1>
      <Muting />
      <section aria-labelledby="you" className="card grid justify-items-start gap-3 p-4">
        <h2 id="you" className="font-semibold">
          You
        </h2>
        <p className="text-sm text-soft wrap-anywhere">
          Signed in on this tab as <strong className="font-medium text-ink">{user.name}</strong>, {roleInWords(user.role).toLowerCase()}.
        </p>
        <button type="button" className="ci-button" onClick={signOut}>
          <Icon name="signOut" className="size-4" /> Sign out of this tab
        </button>
      </section>
    </div>
  );
}

function Muting() {
  const { muted, fault, setMuted } = usePreferences();
  const { items } = useNotifications();
  const met = items.filter(({ priority }) => priority === "low" || priority === "medium").map(({ type }) => type);
  const kinds = [...new Set([...QUIET, ...met, ...(muted ?? [])])].toSorted((a, b) => kindInWords(a).localeCompare(kindInWords(b)));
  return (
    <section aria-labelledby="muting" className="card p-4">
      <h2 id="muting" className="font-semibold">
        What you hear of
      </h2>
      <p className="mt-1 text-sm text-soft">
        What you switch off still comes to your inbox, but as read: no toast, no count. Anything of high priority always comes, whatever is
        chosen here.
      </p>
      <div role="alert">{fault && <p className="mt-2 text-sm text-urgent">Not saved: {fault}</p>}</div>
      {muted === undefined ? (
        <p className="mt-3 text-sm text-soft">{fault ? "" : "Loading…"}</p>
      ) : (
        <ul className="mt-2 grid sm:grid-cols-2 sm:gap-x-6">
          {kinds.map((kind) => (
            <li key={kind}>
              <label className="flex min-h-11 cursor-pointer items-center gap-3 text-sm">
                <input
                  type="checkbox"
                  className="size-5 shrink-0 accent-accent"
                  checked={!muted.includes(kind)}
                  onChange={(event) => setMuted(kind, !event.target.checked)}
                />
                <Icon name={iconFor(kind)} className="size-5 text-soft" />
                <span className="min-w-0 wrap-anywhere">{kindInWords(kind)}</span>
              </label>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
