import { useCallback, useRef, useState } from "react";

import type { Broadcast } from "../../inbox/api.gen";
import { Audit } from "./Audit";
import { Broadcasts } from "./Broadcasts";
import { Compose } from "./Compose";
import { Online } from "./Online";
import { Trace } from "./Trace";

/** For admins: who is online, what is announced, what became of it, and who did what. */
export default function Console() {
  const [editing, setEditing] = useState<Broadcast>();
  const [traced, setTraced] = useState(() => new URLSearchParams(location.search).get("event") ?? "");
  // One more with each change made here: the lists look again.
  const [changes, setChanges] = useState(0);
  const [said, setSaid] = useState<{ ok: boolean; words: string }>();
  const composer = useRef<HTMLElement>(null);
  const tracer = useRef<HTMLElement>(null);
  const changed = useCallback(() => setChanges((before) => before + 1), []);
  const edit = (one: Broadcast) => {
    setSaid(undefined);
    setEditing(one);
    show(composer.current, "input");
  };
  const trace = (id: string) => {
    setTraced(id);
    show(tracer.current, "input");
  };
  const leave = () => {
    setSaid(undefined);
    setEditing(undefined);
    show(composer.current, "input");
  };
  const done = (words: string) => {
    if (editing) leave();
    setSaid({ ok: true, words });
    changed();
  };
  const failed = (words: string) => {
    setSaid({ ok: false, words });
    changed();
  };
  return (
    <>
      <h1 tabIndex={-1} className="px-1 text-xl font-semibold outline-none">
        Console
      </h1>
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="grid min-w-0 gap-4">
          <section ref={composer} aria-labelledby="compose" className="card p-4">
            <Compose
              key={editing?.id ?? ""}
              editing={editing}
              onDone={done}
              onFault={failed}
              onWrite={() => setSaid(undefined)}
              onLeave={leave}
            />
            <p role="status" className={`mt-3 text-sm empty:hidden ${said?.ok ? "text-accent" : "text-urgent"}`}>
              {said?.words}
            </p>
          </section>
          <Broadcasts changes={changes} editing={editing?.id} onEdit={edit} onTrace={trace} onChange={changed} />
        </div>
        <div className="grid min-w-0 gap-4">
          <Online />
          <section ref={tracer} aria-labelledby="trace" className="card p-4">
            <Trace key={traced} wanted={traced} />
          </section>
          <Audit changes={changes} />
        </div>
      </div>
    </>
  );
}

/** Brings a part of the console into view, and the reader to its first field. */
function show(part: HTMLElement | null, field: string): void {
  requestAnimationFrame(() => {
    part?.scrollIntoView({ block: "start" });
    part?.querySelector<HTMLElement>(field)?.focus({ preventScroll: true });
  });
}
