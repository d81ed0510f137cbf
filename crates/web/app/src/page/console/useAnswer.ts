import { useEffect, useMemo, useSyncExternalStore } from "react";

import { request, useConnection, useInbox } from "../../inbox";
import { Asking, type Known } from "./asking";

export type Answered<T> = Known<T> & Pick<Asking<T>, "reload" | "change">;

/** What the gateway answers to this GET, asked anew at each connect. */
export function useAnswer<T>(path: string): Answered<T> {
  const { options } = useInbox();
  const live = useConnection().status === "live";
  const asking = useMemo(() => new Asking<T>(() => request<T>(options, "GET", path)), [options, path]);
  const known = useSyncExternalStore(asking.subscribe, asking.getSnapshot, asking.getSnapshot);
  useEffect(() => {
    if (live) void asking.reload();
    return () => asking.drop();
  }, [live, asking]);
  const { reload, change } = asking;
  return { ...known, reload, change };
}
