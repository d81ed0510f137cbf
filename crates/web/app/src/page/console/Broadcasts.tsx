import { useEffect, useState } from "react";

import { inWords, request, useArrivals, useInbox } from "../../inbox";
import type { Broadcast, BroadcastPage } from "../../inbox/api.gen";
import { Icon } from "../../inbox/icons";
import { Acknowledged } from "./Acknowledged";
import { AUDIENCES, KINDS, moment } from "./kinds";
import { useAnswer } from "./useAnswer";

interface Props {
  /** A new number is a change made elsewhere in the console. */
  changes: number;
  /** Which is being changed. */
  editing: string | undefined;
  onEdit: (one: Broadcast) => void;
  onTrace: (id: string) => void;
  onChange: () => void;
}

/** While something is scheduled the list is looked at anew when it is due, and at least this often. */
const LOOK_MS = 30_000;
const PAGE = 10;
/** The most that one answer may hold. */
const MOST = 100;

/** What was announced and what is to be; that can still be changed or called off. */
export function Broadcasts({ changes, editing, onEdit, onTrace, onChange }: Props) {
  const { options } = useInbox();
  const [limit, setLimit] = useState(PAGE);
  const list = useAnswer<BroadcastPage>(`/broadcasts?limit=${limit}`);
  const [refused, setRefused] = useState<Record<string, string>>({});
  const { answer, reload } = list;
  useEffect(() => {
    if (changes > 0) void reload();
  }, [changes, reload]);
  useArrivals(({ data }) => "broadcastId" in data && void reload());
  useLookWhenDue(answer?.items, reload);
  const cancel = async ({ id, version }: Broadcast) => {
    const refusal = await request(options, "DELETE", `/broadcasts/${id}?version=${version}`).then(
      () => "",
      (fault: unknown) => `It could not be called off. ${inWords(fault)}`,
    );
    setRefused((before) => ({ ...before, [id]: refusal }));
    onChange();
  };
  return (
    <section aria-labelledby="broadcasts" className="card overflow-clip">
      <h2 id="broadcasts" className="p-4 pb-3 font-semibold">
        Announced and scheduled
      </h2>
      {list.fault && <p className="px-4 pb-3 text-sm text-urgent">{list.fault}</p>}
      {answer?.items.length === 0 && (
        <p className="border-t border-line px-4 py-6 text-center text-sm text-soft">Nothing has been announced yet</p>
      )}
      <ul>
        {answer?.items.map((one) => (
          <Row
            key={one.id}
            one={one}
            isEdited={editing === one.id}
            refusal={refused[one.id]}
            onEdit={onEdit}
            onTrace={onTrace}
            onCancel={() => void cancel(one)}
          />
        ))}
      </ul>
      {answer?.page.next && (
        <div className="flex justify-center border-t border-line p-3 text-sm text-soft">
          {limit < MOST ? (
            <button type="button" className="ci-button" onClick={() => setLimit(Math.min(MOST, limit + 3 * PAGE))}>
              Show more
            </button>
          ) : (
            <p>These are the newest {MOST}.</p>
          )}
        </div>
      )}
    </section>
  );
}

interface RowProps extends Pick<Props, "onEdit" | "onTrace"> {
  one: Broadcast;
  isEdited: boolean;
  refusal: string | undefined;
  onCancel: () => void;
}

function Row({ one, isEdited, refusal, onEdit, onTrace, onCancel }: RowProps) {
  const { icon, label, look } = KINDS[one.kind];
  const to = one.audience.map((room) => AUDIENCES[room] ?? room).join(", ");
  return (
    <li data-broadcast={one.id} className="flex gap-3 border-t border-line px-4 py-3 text-sm">
      <span className={`mt-0.5 grid size-9 shrink-0 place-items-center rounded-lg border ${look}`}>
        <Icon name={icon} />
      </span>
      <div className="grid min-w-0 flex-1 gap-1">
        <p dir="auto" className="font-semibold wrap-anywhere">
          {one.title}
        </p>
        <p className="text-soft wrap-anywhere">
          {label} · {to} · by {one.createdBy.replace(/^user:/, "")}
        </p>
        <p
          data-status-of={one.id}
          className={one.status === "missed" || one.late ? "text-high" : one.status === "scheduled" ? "text-accent" : "text-soft"}
        >
          {statusInWords(one)}
        </p>
        {one.kind === "emergency" && one.status === "sent" && <Acknowledged id={one.id} title={one.title} />}
        {refusal && (
          <p role="alert" className="text-urgent">
            {refusal}
          </p>
        )}
        <div className="-ms-3 flex flex-wrap empty:hidden">
          {one.status === "scheduled" && (
            <>
              <button
                type="button"
                className="ci-button ci-quiet px-3"
                aria-label={`Edit: ${one.title}`}
                disabled={isEdited}
                onClick={() => onEdit(one)}
              >
                <Icon name="pencil" className="size-4" /> Edit
              </button>
              <button type="button" className="ci-button ci-quiet px-3" aria-label={`Call off: ${one.title}`} onClick={onCancel}>
                <Icon name="close" className="size-4" /> Call off
              </button>
            </>
          )}
          {one.status === "sent" && (
            <button
              type="button"
              className="ci-button ci-quiet px-3"
              aria-label={`What became of it: ${one.title}`}
              onClick={() => onTrace(one.id)}
            >
              <Icon name="search" className="size-4" /> What became of it
            </button>
          )}
        </div>
      </div>
    </li>
  );
}

/** Where it stands: pending, sent, sent late, missed, or called off. */
function statusInWords({ status, late, publishAt, sentAt, updatedAt }: Broadcast): string {
  if (status === "scheduled") return `Scheduled for ${moment(publishAt)}`;
  if (status === "missed") return `Missed: it was to be sent ${moment(publishAt)} and is not sent any more`;
  if (status === "canceled") return `Called off ${moment(updatedAt)}`;
  return late ? `Sent late, ${moment(sentAt ?? updatedAt)}; it was meant for ${moment(publishAt)}` : `Sent ${moment(sentAt ?? updatedAt)}`;
}

function useLookWhenDue(items: Broadcast[] | undefined, reload: () => Promise<void>): void {
  const store = useInbox();
  useEffect(() => {
    const due = items?.filter(({ status }) => status === "scheduled").map(({ publishAt }) => Date.parse(publishAt) - store.now());
    if (!due || due.length === 0) return;
    const timer = setTimeout(() => void reload(), Math.min(LOOK_MS, Math.max(1_000, Math.min(...due) + 500)));
    return () => clearTimeout(timer);
  }, [items, reload, store]);
}
