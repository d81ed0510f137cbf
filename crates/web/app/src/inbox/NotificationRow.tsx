"use client";

import { memo, useId, useState } from "react";

import { useNotificationLink } from "./follow";
import { Icon, iconFor } from "./icons";
import { useInbox } from "./provider";
import { isPressing } from "./state";
import { clock, exact, relative } from "./time";
import type { InboxNotification } from "./types";

/** A longer message is folded until it is asked for. */
const FOLDED_ABOVE = 220;

export interface NotificationRowProps {
  item: InboxNotification;
  now: number;
  /** Its place in the whole list, from 1. */
  position: number;
  /** How many there are, or -1 where there are more than are loaded. */
  total: number;
}

/** One notification of the feed. The title leads on; what else can be done stands beside it, always in view. */
export const NotificationRow = memo(function NotificationRow({ item, now, position, total }: NotificationRowProps) {
  const store = useInbox();
  const id = useId();
  const action = item.isRead ? "Mark unread" : isPressing(item) ? "Acknowledge" : "Mark read";
  const toggle = () => {
    if (item.isRead) void store.markUnread([item.id]);
    else void (isPressing(item) ? store.acknowledge(item.id) : store.markRead([item.id]));
  };
  return (
    <article
      tabIndex={0}
      aria-posinset={position}
      aria-setsize={total}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-message`}
      data-id={item.id}
      data-unread={!item.isRead || undefined}
      className="relative flex gap-3 border-t border-line px-4 pt-3 pb-1.5 -outline-offset-3! data-unread:bg-tint/45"
    >
      <span className={`mt-0.5 grid size-9 place-items-center rounded-lg ${TINTS[item.priority]}`}>
        <Icon name={iconFor(item.type)} />
      </span>
      <div className="min-w-0 flex-1">
        <Title item={item} id={`${id}-title`} />
        <Message text={item.message} id={`${id}-message`} />
        <div className="flex flex-wrap items-center justify-between gap-x-3 text-[0.8125rem] text-soft">
          <span>
            <time dateTime={item.createdAt} title={exact(item.createdAt)}>
              {relative(item.createdAt, now)}, {clock(item.createdAt)}
            </time>
            {LABELS[item.priority] && (
              <strong className={LABEL_COLOURS[item.priority]}>
                {" "}
                · {LABELS[item.priority]}
                <span className="sr-only"> priority</span>
              </strong>
            )}
          </span>
          <button
            type="button"
            className="ci-button ci-quiet -me-2 px-2 text-[0.8125rem]"
            aria-label={`${action}: ${item.title}`}
            onClick={toggle}
          >
            {action}
          </button>
        </div>
      </div>
    </article>
  );
});

function Title({ item, id }: { item: InboxNotification; id: string }) {
  const { href, onClick } = useNotificationLink(item);
  const weight = item.isRead ? "font-medium" : "font-semibold";
  return (
    <h4 id={id} className={`flex items-start gap-2 text-[0.9375rem] leading-snug ${weight}`}>
      {!item.isRead && <span className="sr-only">Unread: </span>}
      <span dir="auto" className="min-w-0 flex-1 wrap-anywhere">
        {href ? (
          <a href={href} rel="noreferrer" onClick={onClick} className="rounded-sm underline-offset-2 hover:underline">
            {item.title}
          </a>
        ) : (
          item.title
        )}
      </span>
      {!item.isRead && <span aria-hidden="true" className="mt-1.5 rounded-full border-4 border-accent" />}
    </h4>
  );
}

function Message({ text, id }: { text: string; id: string }) {
  const [open, setOpen] = useState(false);
  const long = text.length > FOLDED_ABOVE;
  return (
    <>
      <p id={id} dir="auto" className={`text-sm wrap-anywhere whitespace-pre-line text-soft ${long && !open ? "line-clamp-3" : ""}`}>
        {text}
      </p>
      {long && (
        <button type="button" className="ci-button ci-quiet -ms-2 px-2" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Show less" : "Show all"}
        </button>
      )}
    </>
  );
}

const TINTS = {
  low: "bg-ground text-soft",
  medium: "bg-tint text-accent",
  high: "bg-high-tint text-high",
  urgent: "bg-urgent-tint text-urgent",
};
const LABELS = { low: "", medium: "", high: "High", urgent: "Urgent" };
const LABEL_COLOURS = { low: "", medium: "", high: "font-medium text-high", urgent: "font-medium text-urgent" };
