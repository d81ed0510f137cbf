import { useEffect } from "react";

import { useConnection, useInbox } from "../inbox";

/**
 * In the demo the page asks each second whether the gateway is back, and connects at once. Elsewhere the pauses between
 * tries grow, so that a gateway that starts is not met by all its clients in the same instant.
 */
export function useQuickReturn(wanted: boolean): void {
  const store = useInbox();
  const { status } = useConnection();
  useEffect(() => {
    if (!wanted || status !== "reconnecting") return;
    const timer = setInterval(() => {
      void fetch("/readyz", { cache: "no-store" }).then(
        (answer) => answer.ok && store.connection?.hurry(),
        () => undefined,
      );
    }, 1_000);
    return () => clearInterval(timer);
  }, [wanted, status, store]);
}
