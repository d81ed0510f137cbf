"use client";

import { useEffect, useRef, useState } from "react";

import { useArrivals, useConnection } from "./hooks";
import { returnInWords, statusInWords } from "./ConnectionStatus";

/** What comes within this time is told in one sentence. */
const GATHER_MS = 1_000;

/** The two regions that a screen reader listens to: a polite one, and one for what is urgent alone. Have one per page. */
export function Announcer() {
  const { status, settled, lastReturn } = useConnection();
  const [polite, setPolite] = useState("");
  const [urgent, setUrgent] = useState("");
  const gathered = useRef<string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useArrivals((item, live) => {
    if (!live || item.isRead) return;
    if (item.priority === "urgent") return setUrgent(`Urgent: ${item.title}. ${item.message}`);
    gathered.current.push(item.title);
    timer.current ??= setTimeout(() => {
      const titles = gathered.current.splice(0);
      timer.current = undefined;
      setPolite(titles.length === 1 ? `New notification: ${titles[0]}` : `${titles.length} new notifications`);
    }, GATHER_MS);
  });
  const lost = settled && (status === "offline" || status === "reconnecting");
  useEffect(() => {
    if (lost) setPolite(statusInWords(status));
  }, [lost, status]);
  useEffect(() => {
    if (lastReturn) setPolite(returnInWords(lastReturn));
  }, [lastReturn]);
  return (
    <div className="sr-only">
      <p aria-live="polite" data-announcer="polite">
        {polite}
      </p>
      <p aria-live="assertive" data-announcer="assertive">
        {urgent}
      </p>
    </div>
  );
}
