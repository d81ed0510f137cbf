"use client";

import { useState } from "react";

import { useNotificationLink } from "./follow";
import { useNotices, useNow } from "./hooks";
import { Icon } from "./icons";
import { useInbox } from "./provider";
import { isPressing } from "./state";
import { remaining } from "./time";
import type { InboxNotification } from "./types";

/** Urgent notifications until they are acknowledged, and maintenance until it is over or dismissed. */
export function AnnouncementBanner() {
  const notices = useNotices();
  const urgent = notices.filter(isPressing);
  const maintenance = notices.filter((item) => item.priority !== "urgent");
  return (
    <>
      {urgent.map((item) => (
        <Urgent key={item.id} item={item} />
      ))}
      {maintenance.map((item) => (
        <Maintenance key={item.id} item={item} />
      ))}
    </>
  );
}

function Urgent({ item }: { item: InboxNotification }) {
  const store = useInbox();
  const [busy, setBusy] = useState(false);
  const acknowledge = async () => {
    setBusy(true);
    await store.acknowledge(item.id);
    setBusy(false);
  };
  return (
    <div
      role="group"
      aria-label="Urgent announcement"
      data-banner="urgent"
      className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border-2 border-urgent bg-urgent-tint p-3 text-urgent sm:px-4"
    >
      <Icon name="alert" className="size-7" />
      <BannerText item={item} />
      <button type="button" className="ci-button border-urgent bg-transparent text-urgent" disabled={busy} onClick={() => void acknowledge()}>
        Acknowledge
        <span className="sr-only">: {item.title}</span>
      </button>
    </div>
  );
}

type Phase = "before" | "during" | "over";

function Maintenance({ item }: { item: InboxNotification }) {
  const starts = instant(item.data.startsAt);
  const ends = instant(item.data.endsAt);
  const now = useNow(1_000);
  const phase: Phase = starts && now < starts ? "before" : ends && now < ends ? "during" : "over";
  const key = `carillon:dismissed:${item.id}:${phase}`;
  const [dismissed, setDismissed] = useState<string>();
  if (phase === "over" || dismissed === key || remembered(key)) return null;
  const dismiss = () => {
    remember(key);
    setDismissed(key);
  };
  const until = phase === "before" ? starts : ends;
  return (
    <div
      role="group"
      aria-label="Maintenance"
      data-banner={`maintenance-${phase}`}
      className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border border-high bg-high-tint p-3 text-high sm:px-4"
    >
      <Icon name="tools" className="size-7" />
      <BannerText item={item} />
      {until && (
        // Told once by the announcer; a clock that speaks each second would drown all else.
        <p role="timer" aria-live="off" className="text-sm font-semibold tabular-nums">
          {phase === "before" ? "Starts in" : "Ends in"} {remaining(until - now)}
        </p>
      )}
      <button type="button" className="ci-button ms-auto border-0 bg-transparent text-high" onClick={dismiss}>
        <Icon name="close" className="size-4" />
        <span className="sr-only">Dismiss: {item.title}</span>
      </button>
    </div>
  );
}

function BannerText({ item }: { item: InboxNotification }) {
  const { href, onClick } = useNotificationLink(item);
  return (
    <div className="min-w-40 flex-1">
      <p dir="auto" className="font-semibold wrap-anywhere">
        {href ? (
          <a href={href} rel="noreferrer" onClick={onClick} className="underline underline-offset-2">
            {item.title}
          </a>
        ) : (
          item.title
        )}
      </p>
      <p dir="auto" className="text-sm wrap-anywhere text-ink">
        {item.message}
      </p>
    </div>
  );
}

function instant(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function remembered(key: string): boolean {
  try {
    return localStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}

function remember(key: string): void {
  try {
    localStorage.setItem(key, "");
  } catch {
    // Blocked by the browser: it is dismissed for as long as the page lives.
  }
}
