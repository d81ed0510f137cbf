"use client";

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { Fault, type Status } from "./connection";
import { useInbox } from "./provider";
import { isNotice } from "./state";
import type { Arrival, Return, Snapshot } from "./store";
import type { DoctorPresence, Filter, InboxNotification } from "./types";

function useSelected<T>(select: (snapshot: Snapshot) => T): T {
  const store = useInbox();
  const get = () => select(store.getSnapshot());
  return useSyncExternalStore(store.subscribe, get, get);
}

export interface Notifications {
  /** As far as loaded, newest first. */
  items: InboxNotification[];
  status: "empty" | "loading" | "ready" | "failed";
  hasMore: boolean;
  loadMore(): void;
  /** Loads the first page anew. */
  reload(): void;
}

/** The notifications that are loaded; the first page of the unread ones is asked for when they are first wanted. */
export function useNotifications(filter: Filter = "all"): Notifications {
  const store = useInbox();
  const items = useSelected((snapshot) => snapshot.items);
  const list = useSelected((snapshot) => snapshot.lists[filter]);
  return useMemo(
    () => ({
      items: list.ids.flatMap((id) => items.get(id) ?? []),
      status: list.status,
      hasMore: list.next !== null,
      loadMore: () => void store.loadMore(filter),
      reload: () => void store.load(filter),
    }),
    [store, items, list, filter],
  );
}

/** What has a banner: the urgent until it is acknowledged, and maintenance; newest first. */
export function useNotices(): InboxNotification[] {
  const items = useSelected((snapshot) => snapshot.items);
  return useMemo(() => [...items.values()].filter(isNotice).toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1)), [items]);
}

/** How many are unread, exactly; from 1,000 on it means that or more. */
export function useUnreadCount(): number {
  return useSelected((snapshot) => snapshot.unread);
}

export interface ConnectionView {
  status: Status;
  /** Whether it has been so for long enough to trouble the reader with it. */
  settled: boolean;
  reason: string | undefined;
  lastReturn: Return | undefined;
}

/** A state other than live shows only once it has lasted this long: most are over sooner. */
const SHOWN_AFTER_MS = 2_000;

/** How the connection is. */
export function useConnection(): ConnectionView {
  const { status, reason } = useSelected((snapshot) => snapshot.connection);
  const downSince = useSelected((snapshot) => snapshot.downSince);
  const lastReturn = useSelected((snapshot) => snapshot.lastReturn);
  const [troubled, setTroubled] = useState<number>();
  useEffect(() => {
    if (downSince === undefined) return;
    const timer = setTimeout(() => setTroubled(downSince), downSince + SHOWN_AFTER_MS - Date.now());
    return () => clearTimeout(timer);
  }, [downSince]);
  return { status, settled: downSince === undefined || troubled === downSince, reason, lastReturn };
}

/** The socket, for events of your own; undefined while nobody is signed in. Never emit an event that ends in a string. */
export function useSocket() {
  const store = useInbox();
  const get = () => store.connection?.raw;
  return useSyncExternalStore(store.subscribe, get, get);
}

/** Calls back for each notification as it comes. */
export function useArrivals(arrival: Arrival): void {
  const store = useInbox();
  const latest = useRef(arrival);
  useEffect(() => {
    latest.current = arrival;
  });
  useEffect(() => store.onArrival((item, live) => latest.current(item, live)), [store]);
}

/** Whether these doctors are online; undefined while it is not known, or where the server keeps no presence. */
export function usePresence(doctorIds: readonly string[]): DoctorPresence[] | undefined {
  const store = useInbox();
  const socket = useSocket();
  const live = useSelected((snapshot) => snapshot.connection.status === "live");
  const [doctors, setDoctors] = useState<DoctorPresence[]>();
  const key = JSON.stringify(doctorIds);
  const change = useCallback((changed: DoctorPresence) => {
    setDoctors((known) => known?.map((doctor) => (doctor.doctorId === changed.doctorId ? changed : doctor)));
  }, []);
  useEffect(() => {
    const ids = JSON.parse(key) as string[];
    if (!live || !socket || ids.length === 0) return;
    let wanted = true;
    socket.on("presence:doctor", change);
    store.connection?.ask<{ doctors: DoctorPresence[] }>("presence:watch", { doctorIds: ids }).then(
      (answer) => wanted && setDoctors(answer.doctors),
      (fault) => wanted && fault instanceof Fault && fault.code === "unknown_event" && setDoctors(undefined),
    );
    return () => {
      wanted = false;
      socket.off("presence:doctor", change);
      if (socket.connected) socket.emit("presence:unwatch", { doctorIds: ids });
    };
  }, [store, socket, live, key, change]);
  return doctors;
}

/** The time as the server has it, told again this often. */
export function useNow(everyMs: number): number {
  const store = useInbox();
  const [now, setNow] = useState(() => store.now());
  useEffect(() => {
    setNow(store.now());
    const timer = setInterval(() => setNow(store.now()), everyMs);
    return () => clearInterval(timer);
  }, [store, everyMs]);
  return now;
}

/** The media query's answer, as it changes. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (changed) => {
      const media = matchMedia(query);
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => matchMedia(query).matches,
    () => false,
  );
}
