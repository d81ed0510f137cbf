// The page's few addresses: `/`, `/console` for admins, `/settings`, `/demo`, and `/dashboard/…`, where the demo's
// notifications lead.

import { useSyncExternalStore } from "react";

const changed = new Set<() => void>();
addEventListener("popstate", () => changed.forEach((tell) => tell()));

export function usePath(): string {
  return useSyncExternalStore(
    (tell) => {
      changed.add(tell);
      return () => changed.delete(tell);
    },
    () => location.pathname,
  );
}

const OURS = /^\/($|(console|settings|demo)$|dashboard(\/|$))/;

/** Goes to an address of this page without loading it anew; false if it is not one of ours. */
export function follow(url: string): boolean {
  const path = new URL(url, location.href);
  if (path.origin !== location.origin || !OURS.test(path.pathname)) return false;
  history.pushState(null, "", path);
  changed.forEach((tell) => tell());
  scrollTo(0, 0);
  return true;
}
