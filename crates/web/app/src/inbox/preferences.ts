"use client";

import { useCallback, useEffect, useRef, useState } from "react";

import type { Preferences } from "./api.gen";
import { useConnection } from "./hooks";
import { inWords, request } from "./http";
import { useInbox } from "./provider";

export interface PreferencesView {
  /** Types that come as read and are not pushed, unless high or urgent; undefined while it is not known. */
  muted: readonly string[] | undefined;
  /** What went wrong last, in words. */
  fault: string | undefined;
  /** Mutes a type or hears of it again: shown at once, taken back if the gateway refuses. */
  setMuted(type: string, muted: boolean): void;
}

/** What the user wants to hear of. */
export function usePreferences(): PreferencesView {
  const { options } = useInbox();
  const live = useConnection().status === "live";
  const [muted, show] = useState<readonly string[]>();
  const [fault, setFault] = useState<string>();
  const wanted = useRef<readonly string[]>([]);
  const turn = useRef(Promise.resolve());
  const settle = useCallback((types: readonly string[]) => {
    wanted.current = types;
    show(types);
  }, []);
  const failed = (problem: unknown) => setFault(inWords(problem, { muted: "A muted type" }));
  const load = useCallback(
    () => request<Preferences>(options, "GET", "/preferences").then(({ muted }) => settle(muted), failed),
    [options, settle],
  );
  useEffect(() => {
    if (live) turn.current = turn.current.then(load);
  }, [live, load]);
  const setMuted = (type: string, on: boolean) => {
    settle(on ? [...wanted.current.filter((one) => one !== type), type] : wanted.current.filter((one) => one !== type));
    setFault(undefined);
    const change = wanted.current;
    // One after the other: each says the whole list.
    turn.current = turn.current.then(() =>
      request<Preferences>(options, "PUT", "/preferences", { muted: change }).then(
        () => undefined,
        (problem: unknown) => {
          failed(problem);
          return load();
        },
      ),
    );
  };
  return { muted, fault, setMuted };
}
