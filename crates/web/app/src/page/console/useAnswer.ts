import { useCallback, useEffect, useRef, useState } from "react";

import { inWords, request, useConnection, useInbox } from "../../inbox";

export interface Answered<T> {
  answer?: T;
  /** Why there is no newer one, in words. */
  fault?: string;
  reload(): Promise<void>;
  /** Takes what was told by another way. */
  change(next: (answer: T) => T): void;
}

/** What the gateway answers to this GET, asked anew at each connect. */
export function useAnswer<T>(path: string): Answered<T> {
  const { options } = useInbox();
  const live = useConnection().status === "live";
  const [state, setState] = useState<{ path: string; answer?: T; fault?: string }>({ path });
  const asked = useRef(0);
  const reload = useCallback(async () => {
    const mine = (asked.current += 1);
    const next = await request<T>(options, "GET", path).then(
      (answer) => ({ answer }),
      (fault: unknown) => ({ fault: inWords(fault) }),
    );
    // An answer that a later question has overtaken is dropped.
    if (mine === asked.current) setState((before) => ({ ...(before.path === path && before), path, ...next }));
  }, [options, path]);
  useEffect(() => {
    if (live) void reload();
    return () => void (asked.current += 1);
  }, [live, reload]);
  const change = useCallback((next: (answer: T) => T) => {
    setState((before) => (before.answer === undefined ? before : { ...before, answer: next(before.answer) }));
  }, []);
  const { path: _, ...known } = state.path === path ? state : { path };
  return { ...known, reload, change };
}
