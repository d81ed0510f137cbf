// What the user wants to hear of, as it is changed click by click.

import type { Preferences } from "./api.gen";
import { inWords } from "./http";

export interface Muted {
  /** Types that come as read and are not pushed, unless high or urgent; undefined while it is not known. */
  muted: readonly string[] | undefined;
  /** What went wrong last, in words. */
  fault: string | undefined;
}

type Ask = (method: "GET" | "PUT", body?: Preferences) => Promise<Preferences>;

export class Muting {
  private known: Muted = { muted: undefined, fault: undefined };
  /** Changes that have not been sent yet. */
  private queued = 0;
  private turn = Promise.resolve();
  private readonly watchers = new Set<() => void>();

  constructor(private readonly ask: Ask) {}

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getSnapshot = (): Muted => this.known;

  readonly load = (): void => {
    this.turn = this.turn.then(async () => void (await this.learn("GET")));
  };

  /** See `PreferencesView`. Before the list is known there is nothing to change. */
  readonly setMuted = (type: string, on: boolean): void => {
    if (this.known.muted === undefined) return;
    const others = this.known.muted.filter((one) => one !== type);
    const muted = on ? [...others, type] : others;
    this.set({ muted, fault: undefined });
    this.queued += 1;
    // One after the other: each says the whole list.
    this.turn = this.turn.then(async () => {
      this.queued -= 1;
      if (!(await this.learn("PUT", { muted }))) await this.learn("GET");
    });
  };

  private async learn(method: "GET" | "PUT", body?: Preferences): Promise<boolean> {
    try {
      const { muted } = await this.ask(method, body);
      const fault = this.known.muted && this.known.fault;
      // What was chosen meanwhile is newer.
      if (this.queued === 0) this.set({ muted, fault });
      return true;
    } catch (fault) {
      this.set({ ...this.known, fault: inWords(fault, { muted: "A muted type" }) });
      return false;
    }
  }

  private set(known: Muted): void {
    this.known = known;
    for (const watcher of this.watchers) watcher();
  }
}
