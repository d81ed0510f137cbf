"use client";

import { useEffect, useState, useSyncExternalStore } from "react";

import { useNotificationLink } from "./follow";
import { useArrivals } from "./hooks";
import { Icon, iconFor } from "./icons";
import { useInbox } from "./provider";
import type { InboxNotification, Priority } from "./types";

const SHOWN_MS: Record<Priority, number> = { low: 5_000, medium: 6_000, high: 9_000, urgent: 9_000 };
const MOST_AT_ONCE = 3;

/**
 * Shows each new notification for a moment: in the visible tab alone, and only while the panel is closed. Urgent ones
 * have their banner, and what was missed is in the inbox already. Screen readers hear the `Announcer` instead.
 * It is ours since the toast libraries tried put style elements into the page, which a strict policy refuses.
 */
export function Toaster() {
  const store = useInbox();
  const panelOpen = useSyncExternalStore(store.subscribe, () => store.getSnapshot().panelOpen, () => false);
  const [toasts, setToasts] = useState<InboxNotification[]>([]);
  const [paused, setPaused] = useState(false);
  useArrivals((item, live) => {
    if (!live || panelOpen || document.hidden || item.isRead || item.priority === "urgent") return;
    setToasts((before) => [...before, item].slice(-MOST_AT_ONCE));
  });
  const drop = (id: string) => setToasts((before) => before.filter((toast) => toast.id !== id));
  useEffect(() => {
    if (toasts.length === 0) setPaused(false);
  }, [toasts.length]);
  useEffect(() => {
    if (panelOpen) setToasts([]);
  }, [panelOpen]);
  return (
    <section
      aria-label="New notifications"
      className="pointer-events-none fixed inset-x-3 bottom-3 z-30 sm:start-auto sm:end-4 sm:bottom-4 sm:w-96"
      onPointerEnter={() => setPaused(true)}
      onPointerLeave={() => setPaused(false)}
      onFocus={() => setPaused(true)}
      onBlur={() => setPaused(false)}
    >
      <ul className="grid gap-2">
        {toasts.map((item) => (
          <Toast key={item.id} item={item} paused={paused} onDone={() => drop(item.id)} />
        ))}
      </ul>
    </section>
  );
}

function Toast({ item, paused, onDone }: { item: InboxNotification; paused: boolean; onDone: () => void }) {
  const { href, onClick } = useNotificationLink(item);
  useEffect(() => {
    if (paused) return;
    const timer = setTimeout(onDone, SHOWN_MS[item.priority]);
    return () => clearTimeout(timer);
    // Not onDone, which is new at each drawing: that must not begin the time anew.
  }, [paused, item.priority]);
  const high = item.priority === "high";
  return (
    <li
      data-toast={item.id}
      className={`ci-arrive pointer-events-auto flex items-start gap-3 rounded-xl border bg-raised p-3 shadow-lg ${high ? "border-high" : "border-line"}`}
    >
      <span className={`grid size-9 place-items-center rounded-lg ${high ? "bg-high-tint text-high" : "bg-tint text-accent"}`}>
        <Icon name={iconFor(item.type)} />
      </span>
      <div className="min-w-0 flex-1 text-sm">
        <p dir="auto" className="line-clamp-2 font-semibold wrap-anywhere">
          {href ? (
            <a
              href={href}
              rel="noreferrer"
              className="underline-offset-2 hover:underline"
              onClick={(event) => {
                onClick(event);
                onDone();
              }}
            >
              {item.title}
            </a>
          ) : (
            item.title
          )}
        </p>
        <p dir="auto" className="line-clamp-2 wrap-anywhere text-soft">
          {item.message}
        </p>
      </div>
      <button type="button" className="ci-button ci-quiet -m-1 px-3" onClick={onDone}>
        <Icon name="close" className="size-4" />
        <span className="sr-only">Dismiss: {item.title}</span>
      </button>
    </li>
  );
}
