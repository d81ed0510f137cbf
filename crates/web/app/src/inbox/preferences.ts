"use client";

import { useEffect, useState, useSyncExternalStore } from "react";

import type { Preferences } from "./api.gen";
import { useConnection } from "./hooks";
import { request } from "./http";
import { type Muted, Muting } from "./muting";
import { useInbox } from "./provider";

export interface PreferencesView extends Muted {
  /** Mutes a type or hears of it again: shown at once, taken back if the gateway refuses. Ignored while it is not known. */
  setMuted(type: string, muted: boolean): void;
}

/** What the user wants to hear of. */
export function usePreferences(): PreferencesView {
  const { options } = useInbox();
  const live = useConnection().status === "live";
  const [muting] = useState(() => new Muting((method, body) => request<Preferences>(options, method, "/preferences", body)));
  const known = useSyncExternalStore(muting.subscribe, muting.getSnapshot, muting.getSnapshot);
  useEffect(() => {
    if (live) muting.load();
  }, [live, muting]);
  return { ...known, setMuted: muting.setMuted };
}
