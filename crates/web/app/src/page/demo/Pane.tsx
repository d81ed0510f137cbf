import { useEffect, useId, useState } from "react";

import {
  AnnouncementBanner,
  ConnectionStatus,
  Inbox,
  type InboxNotification,
  NotificationBell,
  NotificationProvider,
  returnInWords,
  useArrivals,
  useConnection,
  useInbox,
} from "../../inbox";
import { Icon } from "../../inbox/icons";
import { Avatar } from "../Avatar";
import { follow } from "../router";
import { roleInWords, tokenOf, type User } from "../session";
import { useQuickReturn } from "../useQuickReturn";
import { Wire } from "./wire";

interface PaneProps {
  user: User;
  /** Told of each notification that reaches this pane. */
  onReceived: (user: User, item: InboxNotification) => void;
  /** Says something to a screen reader. */
  onSay: (words: string) => void;
}

/** One person's inbox, with a network of its own that can be cut. */
export function Pane(props: PaneProps) {
  const [wire] = useState(() => new Wire());
  const [getToken] = useState(() => tokenOf({ user: props.user }));
  return (
    <NotificationProvider
      getToken={getToken}
      storageKey={null}
      onFollow={follow}
      // The official client takes classes as well as names; its types want all of one kind.
      transports={wire.transports as never}
    >
      <Person {...props} wire={wire} />
    </NotificationProvider>
  );
}

function Person({ user, wire, onReceived, onSay }: PaneProps & { wire: Wire }) {
  const id = useId();
  useArrivals((item) => onReceived(user, item));
  return (
    <section aria-labelledby={id} data-pane={user.userId} className="card flex min-w-0 flex-col">
      <header className="relative flex items-center gap-3 border-b border-line px-4 py-3">
        <Avatar user={user} />
        <h2 id={id} className="min-w-0 flex-1 leading-tight">
          <span className="block truncate font-semibold">{user.name}</span>
          <span className="text-sm text-soft">{roleInWords(user.role)}</span>
        </h2>
        <NotificationBell />
      </header>
      <Network wire={wire} name={user.name} onSay={onSay} />
      <div className="grid gap-2 px-3 empty:hidden">
        <AnnouncementBanner />
      </div>
      <div className="flex h-96 min-h-0 sm:h-120 flex-col overflow-clip rounded-b-2xl">
        <Inbox scrolls headingId={`${id}-inbox`} />
      </div>
    </section>
  );
}

/** The state of the connection, the scissors, and what came back after the last cut. */
function Network({ wire, name, onSay }: { wire: Wire; name: string; onSay: (words: string) => void }) {
  const store = useInbox();
  const { lastReturn, settled, status } = useConnection();
  const [cut, setCut] = useState(false);
  useQuickReturn(!cut);
  const action = cut ? "Give it back" : "Cut the network";
  const toggle = () => {
    if (cut) {
      wire.mend();
      store.connection?.hurry();
    } else {
      wire.sever();
    }
    setCut(!cut);
    onSay(`${name}: the network is ${cut ? "back" : "cut"}.`);
  };
  const told = lastReturn && returnInWords(lastReturn);
  const away = cut
    ? "Cut off. What is published now waits in the log."
    : settled && status === "reconnecting" && "The gateway does not answer. This comes back by itself.";
  useEffect(() => {
    if (told) onSay(`${name}: ${told}`);
  }, [told, name, onSay]);
  return (
    <div className="grid gap-2 border-b border-line px-4 py-2">
      <div className="flex items-center justify-between gap-2">
        <ConnectionStatus />
        <button type="button" className="ci-button" aria-label={`${action}: ${name}`} onClick={toggle}>
          <Icon name={cut ? "plug" : "unplug"} className="size-4" /> {action}
        </button>
      </div>
      <p data-returned={lastReturn?.missed} className={`min-h-10 text-sm ${away ? "text-high" : told ? "font-medium text-accent" : "text-soft"}`}>
        {away || (told ?? "Nothing has been missed so far.")}
      </p>
    </div>
  );
}
