// The life of one socket: tokens, offsets, transports, and when to try again. It knows nothing of notifications.

import { io, type ManagerOptions, type Socket } from "socket.io-client";

import type { Answer, ServerState } from "./types";

export type Status = "signed-out" | "connecting" | "live" | "reconnecting" | "offline";

export interface ConnectionState {
  status: Status;
  /** Why the server let us go, in its words; only while signed out. */
  reason?: string;
}

/** Gives the token of whoever is signed in, anew at each connect; undefined: nobody is. It may fail while offline. */
export type GetToken = () => string | undefined | Promise<string | undefined>;

export interface ConnectionOptions {
  /** The gateway's origin; the page's own by default. */
  url?: string | undefined;
  getToken: GetToken;
  /** Where the last offset is kept over a reload of the tab; null: nowhere. */
  storageKey?: string | null;
  /** For tests and demonstrations: other transports than the browser's own. */
  transports?: ManagerOptions["transports"];
}

export interface ConnectionEvents {
  state(state: ConnectionState): void;
  /** Accepted: a replay may follow, then `ready`. */
  open(): void;
  ready(state: ServerState): void;
  event(name: string, payload: unknown): void;
}

/** A proxy that swallows the WebSocket's handshake answers nothing: after this long, polling is tried first. */
const WEBSOCKET_PATIENCE_MS = 3_000;
const LONGEST_PAUSE_MS = 30_000;
const OPEN_PATIENCE_MS = 20_000;
const ANSWER_PATIENCE_MS = 8_000;
/** Refused for something that may pass (too many connections): the official client would not come back by itself. */
const REFUSED_PAUSE_MS = 30_000;
/** A page hidden for longer asks whether the link is still alive as it comes back. */
const HIDDEN_LONG_MS = 20_000;

export class Connection {
  private readonly socket: Socket;
  private state: ConnectionState = { status: "signed-out" };
  private refusals = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private hiddenAt = 0;
  private readonly listeners = new AbortController();

  constructor(
    private readonly options: ConnectionOptions,
    private readonly events: ConnectionEvents,
  ) {
    this.socket = io(options.url ?? "", {
      autoConnect: false,
      forceNew: true,
      auth: (answer) => void this.authenticate(answer),
      transports: options.transports ?? ["websocket", "polling"],
      tryAllTransports: true,
      timeout: WEBSOCKET_PATIENCE_MS,
      reconnectionDelay: 1_000,
      reconnectionDelayMax: LONGEST_PAUSE_MS,
      randomizationFactor: 0.5,
    });
    this.hearSocket();
    this.minimizeSilence();
  }

  /** The socket itself, for an application's own events. */
  get raw(): Socket {
    return this.socket;
  }

  start(): void {
    this.say({ status: navigator.onLine ? "connecting" : "offline" });
    this.socket.connect();
  }

  stop(): void {
    clearTimeout(this.retry);
    this.listeners.abort();
    this.socket.disconnect();
    this.say({ status: "signed-out" });
  }

  /** Emits an event and gives the answer's content; fails in the words of the server, or when nothing comes. */
  async ask<T>(event: string, argument: unknown): Promise<T> {
    if (!this.socket.connected) throw new Fault("offline", "There is no connection right now.");
    let answer: Answer<T>;
    try {
      answer = (await this.socket.timeout(ANSWER_PATIENCE_MS).emitWithAck(event, argument)) as Answer<T>;
    } catch {
      throw new Fault("timeout", "The server did not answer in time.");
    }
    if (!answer.ok) throw new Fault(answer.error.code, answer.error.message);
    return answer;
  }

  private async authenticate(answer: (auth: object) => void): Promise<void> {
    try {
      const token = await this.options.getToken();
      if (token) {
        const since = this.storage()?.getItem(this.options.storageKey ?? "");
        return answer(since ? { token, since } : { token });
      }
      this.socket.disconnect();
      this.say({ status: "signed-out" });
    } catch {
      // An empty answer would be refused for good; a closed link is tried again.
      this.socket.io.engine.close();
    }
  }

  private hearSocket(): void {
    const { socket } = this;
    socket.on("connect", () => {
      this.refusals = 0;
      this.events.open();
    });
    socket.on("disconnect", (reason) => {
      if (reason === "io server disconnect") this.refused("token_expired", "Your session has ended.");
      else if (reason !== "io client disconnect") this.say({ status: this.away() });
    });
    socket.on("connect_error", (error: Error & { data?: { code?: string } }) => {
      if (!socket.active) this.refused(error.data?.code ?? "", error.message);
      else if (this.state.status !== "connecting" || !navigator.onLine) this.say({ status: this.away() });
    });
    socket.onAny((name: string, payload: unknown, offset: unknown) => {
      if (typeof offset === "string" && this.options.storageKey) {
        this.storage()?.setItem(this.options.storageKey, offset);
      }
      if (name === "inbox:state") {
        this.say({ status: "live" });
        this.events.ready(payload as ServerState);
      } else if (name === "auth:expiring") {
        void this.refresh();
      } else {
        this.events.event(name, payload);
      }
    });
    this.preferWhatWorks();
  }

  /** A WebSocket that does not open in time gives way to polling, until one has opened after all. */
  private preferWhatWorks(): void {
    const manager = this.socket.io;
    const transports: unknown[] = [...(manager.opts.transports ?? [])];
    const prefer = (order: unknown[], patience: number) => {
      manager.opts.transports = order as NonNullable<ManagerOptions["transports"]>;
      manager.timeout(patience);
    };
    manager.on("error", (error) => {
      if (error.message !== "timeout") return;
      prefer([...transports].reverse(), OPEN_PATIENCE_MS);
      // Once the manager is through with this failure.
      setTimeout(() => this.hurry());
    });
    // The client's own pauses are all alike once they are the longest.
    manager.on("reconnect_attempt", () => manager.reconnectionDelayMax(LONGEST_PAUSE_MS * (1 - Math.random() / 3)));
    manager.on("open", () => {
      manager.engine.once("upgrade", () => prefer(transports, WEBSOCKET_PATIENCE_MS));
    });
  }

  /** The server ended it, and the official client stays away by itself: is it worth coming back, and when? */
  private refused(code: string, reason: string): void {
    this.refusals += 1;
    const passing = code === "too_many_connections" || code === "draining";
    const renewable = code.startsWith("token_") && this.refusals <= 2;
    if (!passing && !renewable) return this.say({ status: "signed-out", reason });
    this.say({ status: "reconnecting" });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.socket.connect(), passing ? REFUSED_PAUSE_MS : 500 * this.refusals);
  }

  private async refresh(): Promise<void> {
    try {
      const token = await this.options.getToken();
      if (token) await this.ask("auth:refresh", { token });
    } catch {
      // The server will end this socket; the next connect brings a new token.
    }
  }

  /** Back at once when the network or the reader is. */
  private minimizeSilence(): void {
    const { signal } = this.listeners;
    addEventListener("online", () => this.hurry(), { signal });
    addEventListener("offline", () => this.state.status !== "signed-out" && this.say({ status: "offline" }), { signal });
    document.addEventListener(
      "visibilitychange",
      () => {
        if (document.hidden) this.hiddenAt = Date.now();
        else if (!this.socket.connected) this.hurry();
        else if (Date.now() - this.hiddenAt > HIDDEN_LONG_MS) void this.check();
      },
      { signal },
    );
  }

  /** Forgets the pause between two tries and tries now. */
  hurry(): void {
    if (!this.socket.active || this.socket.connected) return;
    if (this.state.status === "offline") this.say({ status: "reconnecting" });
    this.socket.disconnect();
    this.socket.connect();
  }

  /** A link that slept may be dead without knowing. */
  private async check(): Promise<void> {
    try {
      await this.ask("notification:list", { limit: 1 });
    } catch (fault) {
      if (fault instanceof Fault && fault.code === "timeout") this.socket.io.engine.close();
    }
  }

  private away(): Status {
    return navigator.onLine ? "reconnecting" : "offline";
  }

  private say(state: ConnectionState): void {
    this.state = state;
    this.events.state(state);
  }

  private storage(): Storage | undefined {
    if (this.options.storageKey === null) return undefined;
    try {
      return sessionStorage;
    } catch {
      // Blocked by the browser: a reload then loads the first page, and nothing is lost.
      return undefined;
    }
  }
}

/** Something asked of the server that did not work: `code` as in the API's errors, `message` for the reader. */
export class Fault extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** What is wrong with which field, where the server says it. */
    readonly errors: readonly { pointer: string; detail: string }[] = [],
  ) {
    super(message);
  }
}
