"use client";

import { useCallback, useEffect, useId, useRef, useState } from "react";

import { useMedia, useUnreadCount } from "./hooks";
import { Icon } from "./icons";
import { Inbox, unreadInWords } from "./Inbox";
import { useInbox } from "./provider";

/** Below this width the panel is a sheet over the whole screen. */
const PHONE = "(max-width: 39.999rem)";

/** The button with the count, and the panel that it opens. The element around it must be positioned. */
export function NotificationBell() {
  const store = useInbox();
  const unread = useUnreadCount();
  const sheet = useMedia(PHONE);
  const [open, setOpen] = useState(false);
  const bell = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDialogElement>(null);
  const id = useId();

  const close = useCallback(() => {
    // Behind an open sheet the bell could not take the focus.
    panel.current?.close();
    setOpen(false);
    bell.current?.focus();
  }, []);
  useEffect(() => {
    const dialog = panel.current;
    if (!open || !dialog) return;
    // A sheet hides all else, so that nothing behind it may have the focus; a panel leaves the page in reach.
    if (sheet) dialog.showModal();
    else dialog.show();
    dialog.focus();
    store.setPanelOpen(true);
    return () => {
      dialog.close();
      store.setPanelOpen(false);
    };
  }, [open, sheet, store]);
  useEffect(() => {
    if (!open) return;
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (panel.current?.contains(target) || bell.current?.contains(target)) return;
      setOpen(false);
      // The press may give the focus to something else; only if it does not, the bell has it.
      setTimeout(() => document.activeElement === document.body && bell.current?.focus());
    };
    const escape = (event: KeyboardEvent) => event.key === "Escape" && close();
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape);
    };
  }, [open, close]);

  return (
    <>
      <button
        ref={bell}
        type="button"
        className="relative grid size-11 place-items-center rounded-full text-ink hover:bg-tint"
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-label={unread > 0 ? `Notifications, ${unreadInWords(unread)}` : "Notifications"}
        onClick={() => (open ? close() : setOpen(true))}
      >
        <Icon name="bell" className="size-6" />
        {unread > 0 && (
          <span
            aria-hidden="true"
            className="absolute start-5.5 top-0.5 min-w-5 rounded-full border-2 border-card bg-accent px-1 text-center text-xs leading-4 font-semibold text-on-accent"
          >
            {unread > 9 ? "9+" : unread}
          </span>
        )}
      </button>
      {open && (
        <dialog
          ref={panel}
          tabIndex={-1}
          aria-labelledby={`${id}-heading`}
          onCancel={close}
          className="ci-arrive fixed inset-0 z-40 m-0 flex h-dvh max-h-none w-full max-w-none flex-col bg-card text-ink outline-none sm:absolute sm:inset-auto sm:end-0 sm:top-full sm:mt-2 sm:h-auto sm:overflow-clip sm:max-h-[min(40rem,80dvh)] sm:w-104 sm:rounded-2xl sm:border sm:border-line sm:shadow-xl"
        >
          <Inbox
            scrolls
            headingId={`${id}-heading`}
            corner={
              <button type="button" className="ci-button ci-quiet px-3" onClick={close}>
                <Icon name="close" />
                <span className="sr-only">Close notifications</span>
              </button>
            }
          />
        </dialog>
      )}
    </>
  );
}

/** Puts the unread count in front of the document's title. */
export function useTitleCount(title: string): void {
  const unread = useUnreadCount();
  useEffect(() => {
    document.title = unread > 0 ? `(${unread > 9 ? "9+" : unread}) ${title}` : title;
  }, [title, unread]);
}
