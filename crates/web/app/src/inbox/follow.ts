"use client";

import type { MouseEvent } from "react";

import { safeLink } from "./links";
import { useFollow, useInbox } from "./provider";
import { isPressing } from "./state";
import type { InboxNotification } from "./types";

/** How long leaving the page waits for the mark to arrive. */
const MARK_PATIENCE_MS = 600;

/** The link of a notification: its safe address, and what a click on it does (marks read, then follows). */
export function useNotificationLink(item: InboxNotification) {
  const store = useInbox();
  const follow = useFollow();
  const href = safeLink(item.actionUrl);
  const onClick = (event: MouseEvent) => {
    // What is urgent is acknowledged, not just read.
    const marked = item.isRead || isPressing(item) ? Promise.resolve(true) : store.markRead([item.id]);
    // With a modifier the browser opens it elsewhere, and this page stays.
    if (!href || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (follow(href)) return;
    const waited = new Promise((done) => setTimeout(done, MARK_PATIENCE_MS));
    void Promise.race([marked, waited]).then(() => location.assign(href));
  };
  return { href, onClick };
}
