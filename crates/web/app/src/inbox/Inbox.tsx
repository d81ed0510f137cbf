"use client";

import { type ReactNode, useEffect, useId, useState, useSyncExternalStore } from "react";

import { useUnreadCount } from "./hooks";
import { Icon } from "./icons";
import { NotificationFeed } from "./NotificationFeed";
import { useInbox } from "./provider";
import { MOST_COUNTED } from "./state";
import type { Filter } from "./types";

/** The count in words: "12 unread". */
export function unreadInWords(count: number): string {
  return count >= MOST_COUNTED ? `${MOST_COUNTED} or more unread` : `${count} unread`;
}

export interface InboxProps {
  /** Whether the feed scrolls inside the inbox rather than with the page. */
  scrolls?: boolean;
  /** Beside the heading, such as a button that closes a panel. */
  corner?: ReactNode;
  /** The id of its heading, where what is around it is a region already; otherwise the inbox is one. */
  headingId?: string;
}

/** The whole inbox: heading, filters, "mark all read", and the feed. */
export function Inbox({ scrolls = false, corner, headingId }: InboxProps) {
  const store = useInbox();
  const unread = useUnreadCount();
  const [filter, setFilter] = useState<Filter>("all");
  const [newest, setNewest] = useState<string>();
  const ownId = useId();
  // Chosen again, the unread list is asked for anew: what was read in it since is gone.
  useEffect(() => {
    if (filter === "unread") void store.load("unread");
  }, [store, filter]);
  const readAll = async () => {
    if (newest && (await store.markReadUpTo(newest)) && filter === "unread") void store.load("unread");
  };
  const Frame = headingId ? "div" : "section";
  return (
    <Frame aria-labelledby={headingId ? undefined : ownId} className={`min-w-0 ${scrolls ? "flex min-h-0 flex-1 flex-col" : ""}`}>
      <div className="px-4 pt-3 pb-2">
        <div className="flex min-h-11 items-center justify-between gap-2">
          <h2 id={headingId ?? ownId} className="text-lg font-semibold">
            Notifications
            {unread > 0 && <span className="ms-2 text-sm font-normal text-soft">{unreadInWords(unread)}</span>}
          </h2>
          {corner}
        </div>
        <div className="flex flex-wrap items-center justify-between gap-2">
          <div role="group" aria-label="Which to show" className="flex gap-1">
            {(["all", "unread"] as const).map((one) => (
              <button key={one} type="button" className="ci-button rounded-full" aria-pressed={filter === one} onClick={() => setFilter(one)}>
                {one === "all" ? "All" : "Unread"}
              </button>
            ))}
          </div>
          <button type="button" className="ci-button ci-quiet" disabled={unread === 0 || !newest} onClick={() => void readAll()}>
            <Icon name="check" className="size-4" /> Mark all read
          </button>
        </div>
      </div>
      <FaultNote />
      {/* A scrolling part that can be reached by keyboard: its articles are. */}
      <div data-scroller={scrolls || undefined} className={scrolls ? "min-h-0 flex-1 overflow-y-auto overscroll-contain" : ""}>
        <NotificationFeed key={filter} filter={filter} onShown={setNewest} />
      </div>
    </Frame>
  );
}

/** What went wrong with something that the reader did. */
function FaultNote() {
  const store = useInbox();
  const fault = useSyncExternalStore(store.subscribe, () => store.getSnapshot().fault, () => undefined);
  return (
    <div role="alert">
      {fault && (
        <p className="mx-4 mb-2 flex items-center gap-2 rounded-lg bg-urgent-tint ps-3 text-sm text-urgent">
          <span className="flex-1 py-2">{fault}</span>
          <button type="button" className="ci-button border-0 bg-transparent text-urgent" onClick={() => store.dismissFault()}>
            <Icon name="close" className="size-4" />
            <span className="sr-only">Dismiss this message</span>
          </button>
        </p>
      )}
    </div>
  );
}
