import { WebSocket, XHR } from "socket.io-client";

/** The network of one pane: cut, it drops what is open and lets nothing open. Those of other panes are their own. */
export class Wire {
  private cut = false;
  private readonly open = new Set<{ drop(): void }>();

  /** The browser's own transports, through this wire. */
  readonly transports = this.throughThis();

  get isCut(): boolean {
    return this.cut;
  }

  sever(): void {
    this.cut = true;
    for (const transport of [...this.open]) transport.drop();
  }

  mend(): void {
    this.cut = false;
  }

  private throughThis() {
    const wire = this;
    class ThroughWebSocket extends WebSocket {
      override doOpen() {
        if (!wire.cut) {
          wire.open.add(this);
          return super.doOpen();
        }
        queueMicrotask(() => this.drop());
        return this;
      }
      drop() {
        wire.open.delete(this);
        this.onError("the network is cut", new Error("cut"));
      }
    }
    class ThroughPolling extends XHR {
      override doOpen() {
        if (!wire.cut) {
          wire.open.add(this);
          return super.doOpen();
        }
        queueMicrotask(() => this.drop());
      }
      drop() {
        wire.open.delete(this);
        this.onError("the network is cut", new Error("cut"));
      }
    }
    return [ThroughWebSocket, ThroughPolling];
  }
}
