// One question to the gateway, asked again and again, and what is told of its answer by another way.

import { inWords } from "../../inbox";

export interface Known<T> {
  answer?: T;
  /** Why there is no newer one, in words. */
  fault?: string;
}

/** So much told while an answer is on its way is not kept: it is asked for anew. */
const MOST_MEANWHILE = 1_000;

export class Asking<T> {
  private known: Known<T> = {};
  private asked = 0;
  /** What was told since the last question was asked: its answer may be older. */
  private meanwhile: ((answer: T) => T)[] | undefined;
  private readonly watchers = new Set<() => void>();

  constructor(private readonly ask: () => Promise<T>) {}

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getSnapshot = (): Known<T> => this.known;

  readonly reload = async (): Promise<void> => {
    const mine = (this.asked += 1);
    const meanwhile: ((answer: T) => T)[] = (this.meanwhile = []);
    let next: () => Known<T>;
    try {
      const answer = await this.ask();
      next = () => ({ answer: meanwhile.reduce<T>((known, change) => change(known), answer) });
    } catch (fault) {
      next = () => ({ ...this.known, fault: inWords(fault) });
    }
    // An answer that a later question has overtaken is dropped.
    if (mine !== this.asked) return;
    this.meanwhile = undefined;
    this.set(next());
  };

  /** Takes what was told by another way. */
  readonly change = (next: (answer: T) => T): void => {
    this.meanwhile?.push(next);
    if (this.meanwhile && this.meanwhile.length >= MOST_MEANWHILE) void this.reload();
    if (this.known.answer !== undefined) this.set({ ...this.known, answer: next(this.known.answer) });
  };

  /** Drops the answer that is on its way. */
  drop(): void {
    this.asked += 1;
    this.meanwhile = undefined;
  }

  private set(known: Known<T>): void {
    this.known = known;
    for (const watcher of this.watchers) watcher();
  }
}
