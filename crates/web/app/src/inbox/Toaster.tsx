"use client";

import { Toast } from "@base-ui/react/toast";
import { useEffect, useSyncExternalStore } from "react";

import { useNotificationLink } from "./follow";
import { useArrivals } from "./hooks";
import { Icon, iconFor } from "./icons";
import { useInbox } from "./provider";
import type { InboxNotification, Priority } from "./types";

const SHOWN_MS: Record<Priority, number> = { low: 5_000, medium: 6_000, high: 9_000, urgent: 9_000 };
const MOST_AT_ONCE = 3;
/** Those above `MOST_AT_ONCE` wait unseen while their time lasts, which it does while the reader holds the toasts. */
const MOST_KEPT = 10;

/**
 * Shows each new notification for a moment: in the visible tab alone, and only while the panel is closed. Urgent ones
 * have their banner, and what was missed is in the inbox already. Screen readers hear the `Announcer` instead.
 * F6 leads to the toasts and Tab through them; Escape, or a swipe to a side or down, dismisses one.
 */
export function Toaster() {
  return (
    <Toast.Provider limit={MOST_AT_ONCE}>
      <Toasts />
    </Toast.Provider>
  );
}

function Toasts() {
  const store = useInbox();
  const panelOpen = useSyncExternalStore(store.subscribe, () => store.getSnapshot().panelOpen, () => false);
  const { toasts, add, close } = Toast.useToastManager<InboxNotification>();
  useArrivals((item, live) => {
    if (!live || panelOpen || document.hidden || item.isRead || item.priority === "urgent") return;
    for (const old of toasts.slice(MOST_KEPT - 1)) close(old.id);
    add({ id: item.id, timeout: SHOWN_MS[item.priority], data: item });
  });
  useEffect(() => {
    if (panelOpen) close();
  }, [panelOpen, close]);
  return (
    <Toast.Viewport
      aria-label="New notifications"
      // It would be a live region beside the Announcer's, and tell everything twice.
      aria-live="off"
      className="pointer-events-none fixed inset-x-3 bottom-3 z-30 flex flex-col-reverse gap-2 sm:start-auto sm:end-4 sm:bottom-4 sm:w-96"
    >
      {toasts.map((toast) => toast.data && <NewNotification key={toast.id} toast={toast} item={toast.data} />)}
    </Toast.Viewport>
  );
}

function NewNotification({ toast, item }: { toast: Toast.Root.ToastObject; item: InboxNotification }) {
  const { close, update } = Toast.useToastManager();
  const { href, onClick } = useNotificationLink(item);
  const high = item.priority === "high";
  return (
    <Toast.Root
      toast={toast}
      data-toast={item.id}
      // To the library only a focus that is drawn holds a toast; to us one without a ring does too, as after a press.
      onFocus={() => update(item.id, { timeout: 0 })}
      onBlur={() => update(item.id, { timeout: SHOWN_MS[item.priority] })}
      swipeDirection={["left", "right", "down"]}
      className={`ci-arrive pointer-events-auto flex items-start gap-3 rounded-xl border bg-raised p-3 shadow-lg select-none data-ending-style:hidden data-limited:hidden ${high ? "border-high" : "border-line"}`}
    >
      <span className={`grid size-9 place-items-center rounded-lg ${high ? "bg-high-tint text-high" : "bg-tint text-accent"}`}>
        <Icon name={iconFor(item.type)} />
      </span>
      <div className="min-w-0 flex-1 text-sm">
        <Toast.Title render={<p />} dir="auto" className="line-clamp-2 font-semibold wrap-anywhere">
          {href ? (
            <a
              href={href}
              rel="noreferrer"
              className="underline-offset-2 hover:underline"
              onClick={(event) => {
                onClick(event);
                close(item.id);
              }}
            >
              {item.title}
            </a>
          ) : (
            item.title
          )}
        </Toast.Title>
        <Toast.Description dir="auto" className="line-clamp-2 wrap-anywhere text-soft">
          {item.message}
        </Toast.Description>
      </div>
      {/* It would be hidden until the toasts are pointed at, to keep it out of the live region. */}
      <Toast.Close aria-hidden={false} className="ci-button ci-quiet -m-1 px-3">
        <Icon name="close" className="size-4" />
        <span className="sr-only">Dismiss: {item.title}</span>
      </Toast.Close>
    </Toast.Root>
  );
}
