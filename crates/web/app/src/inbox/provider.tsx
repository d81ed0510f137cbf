"use client";

import { createContext, type ReactNode, useContext, useEffect, useState } from "react";

import { type InboxOptions, InboxStore } from "./store";

const Store = createContext<InboxStore | undefined>(undefined);
const Follow = createContext<(url: string) => boolean>(() => false);

export interface NotificationProviderProps extends InboxOptions {
  /**
   * Called with the link of a notification that the reader follows. Answer true if your router has gone there;
   * otherwise the browser does.
   */
  onFollow?: (url: string) => boolean;
  children: ReactNode;
}

/** Keeps one connection for everything below it. Its options are read once: give it another `key` for another user. */
export function NotificationProvider({ children, onFollow, ...options }: NotificationProviderProps) {
  const [store] = useState(() => new InboxStore(options));
  useEffect(() => {
    store.start();
    return () => store.stop();
  }, [store]);
  return (
    <Store value={store}>
      <Follow value={onFollow ?? (() => false)}>{children}</Follow>
    </Store>
  );
}

/** The store itself, for what no hook covers. */
export function useInbox(): InboxStore {
  const store = useContext(Store);
  if (!store) throw new Error("This needs a NotificationProvider above it.");
  return store;
}

/** Where a followed link goes; see `onFollow`. */
export function useFollow(): (url: string) => boolean {
  return useContext(Follow);
}
