"use client";

import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";

import { type Notifications, useNotifications, useNow } from "./hooks";
import { Icon } from "./icons";
import { NotificationRow } from "./NotificationRow";
import { day } from "./time";
import type { Filter, InboxNotification } from "./types";

/** Scrolling loads this many pages by itself; then the button alone does, so that the end can be reached. */
const PAGES_BY_SCROLLING = 5;

/** Nothing is put above what the reader is at: what comes meanwhile waits behind "3 new". */
function useHeld(items: InboxNotification[]) {
  const feed = useRef<HTMLDivElement>(null);
  const [held, setHeld] = useState<string>();
  const newest = items[0]?.id;
  const reading = useCallback(() => {
    const element = feed.current;
    if (!element) return false;
    const scroller = scrollerOf(element);
    const scrolled = scroller ? scroller.scrollTop > 8 : element.getBoundingClientRect().top < 0;
    return scrolled || element.contains(document.activeElement);
  }, []);
  useEffect(() => {
    const look = () => setHeld((before) => (reading() ? (before ?? newest) : undefined));
    // Focus is nowhere for an instant while it moves from one thing to the next.
    const later = () => setTimeout(look);
    look();
    document.addEventListener("focusin", look);
    document.addEventListener("focusout", later);
    document.addEventListener("scroll", look, { capture: true, passive: true });
    return () => {
      document.removeEventListener("focusin", look);
      document.removeEventListener("focusout", later);
      document.removeEventListener("scroll", look, { capture: true });
    };
  }, [newest, reading]);
  const waiting = held === undefined ? 0 : Math.max(0, items.findIndex((item) => item.id === held));
  const release = () => {
    const element = feed.current;
    setHeld(newest);
    if (!element) return;
    const scroller = scrollerOf(element);
    if (scroller) scroller.scrollTop = 0;
    else if (element.getBoundingClientRect().top < 0) element.scrollIntoView({ block: "start" });
    // Once they are drawn the first of them has the focus.
    requestAnimationFrame(() => element.querySelector<HTMLElement>("article")?.focus({ preventScroll: true }));
  };
  return { feed, shown: waiting > 0 ? items.slice(waiting) : items, waiting, release };
}

/** What scrolls around the feed, if not the page. */
function scrollerOf(element: HTMLElement): HTMLElement | null {
  return element.closest<HTMLElement>("[data-scroller]");
}

/** Page Up and Page Down go from one notification to the next; Control with Home or End leaves the feed. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const feed = event.currentTarget;
  const articles = [...feed.querySelectorAll<HTMLElement>("article")];
  const here = articles.findIndex((article) => article.contains(document.activeElement));
  const leaving = event.ctrlKey && (event.key === "Home" || event.key === "End");
  if (here < 0 || (!leaving && event.key !== "PageDown" && event.key !== "PageUp")) return;
  event.preventDefault();
  if (!leaving) return articles[here + (event.key === "PageDown" ? 1 : -1)]?.focus();
  const all = [...document.querySelectorAll<HTMLElement>("a[href], button:not(:disabled), input, select, textarea, [tabindex='0']")];
  const outside = all.filter((element) => !feed.contains(element) && element.checkVisibility());
  const after = (element: HTMLElement) => feed.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING;
  if (event.key === "End") outside.find(after)?.focus();
  else outside.findLast((element) => !after(element))?.focus();
}

/** The feed of one filter, grouped by day. `onShown` hears which is the newest on screen. */
export function NotificationFeed({ filter, onShown }: { filter: Filter; onShown?: (newest: string | undefined) => void }) {
  const list = useNotifications(filter);
  const now = useNow(30_000);
  const { feed, shown, waiting, release } = useHeld(list.items);
  const newest = shown[0]?.id;
  useEffect(() => onShown?.(newest), [onShown, newest]);
  if (shown.length === 0) return <Nothing filter={filter} list={list} />;
  return (
    <div>
      {waiting > 0 && (
        <div className="sticky top-0 z-10 flex justify-center border-t border-line bg-card p-2">
          <button type="button" className="ci-button ci-primary rounded-full" onClick={release}>
            <Icon name="arrow" className="size-4" /> {waiting} new
          </button>
        </div>
      )}
      <div ref={feed} role="presentation" onKeyDown={moveFocus}>
        {byDay(shown, now).map(({ name, items, before }) => (
          <Day key={name} name={name} busy={list.status === "loading"}>
            {items.map((item, index) => (
              <NotificationRow
                key={item.id}
                item={item}
                now={now}
                position={before + index + 1}
                total={list.hasMore ? -1 : shown.length}
              />
            ))}
          </Day>
        ))}
      </div>
      <More list={list} />
    </div>
  );
}

function Day({ name, busy, children }: { name: string; busy: boolean; children: ReactNode }) {
  return (
    <section>
      <h3 className="border-t border-line bg-ground/60 px-4 py-1.5 text-[0.8125rem] font-medium text-soft">{name}</h3>
      <div role="feed" aria-label={name} aria-busy={busy}>
        {children}
      </div>
    </section>
  );
}

function byDay(items: InboxNotification[], now: number) {
  const days: { name: string; items: InboxNotification[]; before: number }[] = [];
  for (const [index, item] of items.entries()) {
    const name = day(item.createdAt, now);
    const last = days.at(-1);
    if (last?.name === name) last.items.push(item);
    else days.push({ name, items: [item], before: index });
  }
  return days;
}

function More({ list }: { list: Notifications }) {
  const end = useRef<HTMLDivElement>(null);
  const loaded = useRef(0);
  const { hasMore, loadMore, status } = list;
  useEffect(() => {
    const element = end.current;
    if (!element || !hasMore || status !== "ready" || loaded.current >= PAGES_BY_SCROLLING) return;
    const observer = new IntersectionObserver(([entry]) => {
      const scroller = scrollerOf(element) ?? document.scrollingElement;
      // Only a reader who has scrolled here wants more.
      if (!entry?.isIntersecting || !scroller?.scrollTop) return;
      loaded.current += 1;
      loadMore();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [hasMore, loadMore, status]);
  return (
    <div ref={end} className="flex justify-center border-t border-line p-3 text-sm text-soft">
      {hasMore ? (
        <button type="button" className="ci-button" disabled={status === "loading"} onClick={loadMore}>
          {status === "loading" ? "Loading…" : "Load more"}
        </button>
      ) : (
        <p className="py-1">That is all there is.</p>
      )}
    </div>
  );
}

function Nothing({ filter, list }: { filter: Filter; list: Notifications }) {
  if (list.status === "failed") {
    return (
      <div className="grid justify-items-center gap-3 border-t border-line px-4 py-10 text-center text-soft">
        <p>The notifications could not be loaded.</p>
        <button type="button" className="ci-button" onClick={list.reload}>
          Try again
        </button>
      </div>
    );
  }
  if (list.status !== "ready") return <Skeleton />;
  return (
    <div className="grid justify-items-center gap-3 border-t border-line px-4 py-12 text-center text-soft">
      <Icon name={filter === "all" ? "bell" : "check"} className="size-8" />
      <p>{filter === "all" ? "No notifications yet" : "Nothing unread"}</p>
    </div>
  );
}

function Skeleton() {
  return (
    <div role="status" className="border-t border-line">
      <span className="sr-only">Loading notifications</span>
      {[0, 1, 2].map((row) => (
        <div key={row} aria-hidden="true" className="flex gap-3 border-b border-line px-4 py-4 last:border-0">
          <span className="size-9 rounded-lg bg-ground" />
          <span className="grid flex-1 gap-2">
            <span className="h-4 w-2/5 rounded bg-ground" />
            <span className="h-3 w-4/5 rounded bg-ground" />
          </span>
        </div>
      ))}
    </div>
  );
}
