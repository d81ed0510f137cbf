"use client";

import { useEffect, useState } from "react";

import type { Status } from "./connection";
import { type ConnectionView, useConnection } from "./hooks";
import { Icon } from "./icons";
import type { Return } from "./store";
import { remaining } from "./time";

const WORDS: Record<Status, string> = {
  "signed-out": "Signed out",
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  offline: "Offline",
};

const DOTS: Record<Status, string> = {
  "signed-out": "border-control",
  connecting: "border-wait",
  live: "border-good",
  reconnecting: "border-wait",
  offline: "border-control",
};

export function statusInWords(status: Status): string {
  return WORDS[status];
}

/** "Connected again after 12 s. 4 notifications came meanwhile; all of them are here." */
export function returnInWords({ awayFor, missed, recovered }: Return): string {
  const back = `Connected again after ${remaining(awayFor)}.`;
  if (!recovered) return `${back} The list was loaded anew.`;
  if (missed === 0) return `${back} Nothing was missed.`;
  return `${back} ${missed === 1 ? "1 notification" : `${missed} notifications`} came meanwhile: nothing is missing.`;
}

/** A dot and a word. A passing trouble of less than two seconds does not show. */
export function ConnectionStatus() {
  const shown = useShownStatus(useConnection());
  return (
    <p data-status={shown} className="flex items-center gap-2 text-sm whitespace-nowrap text-soft">
      <span aria-hidden="true" className={`rounded-full border-5 ${DOTS[shown]}`} />
      <span className="sr-only">Connection: </span>
      {WORDS[shown]}
    </p>
  );
}

function useShownStatus({ status, settled }: ConnectionView): Status {
  const [last, setLast] = useState<Status>(status);
  if (settled && last !== status) setLast(status);
  return settled ? status : last;
}

/** For how long the reader is told of a return. */
const TOLD_MS = 15_000;

/** Says what a reconnect brought, for a while. */
export function ReturnNotice() {
  const { lastReturn, status } = useConnection();
  const [gone, setGone] = useState<Return>();
  useEffect(() => {
    if (!lastReturn) return;
    const timer = setTimeout(() => setGone(lastReturn), TOLD_MS);
    return () => clearTimeout(timer);
  }, [lastReturn]);
  if (!lastReturn || gone === lastReturn || status !== "live") return null;
  return (
    <p data-return={lastReturn.missed} className="ci-arrive flex items-center gap-2 rounded-xl bg-tint ps-3 text-sm font-medium text-accent">
      <Icon name="check" />
      <span className="flex-1 py-2">{returnInWords(lastReturn)}</span>
      <button type="button" className="ci-button border-0 bg-transparent text-accent" onClick={() => setGone(lastReturn)}>
        <Icon name="close" className="size-4" />
        <span className="sr-only">Dismiss this message</span>
      </button>
    </p>
  );
}
