import { setMaxListeners } from "node:events";
import { BrokerlessError } from "../../errors.ts";
import type { RequestingPeer } from "./requesting-peers.ts";

/** A call of a handler whose signal is in use. */
export interface OpenCall {
  readonly peer: RequestingPeer;
  readonly id: Buffer | null;
  readonly abort: AbortController;
  timer: NodeJS.Timeout | null;
}

/** Longest delay of a Node timer (milliseconds). */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** The signals of handlers that use theirs: those of the others are never made. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();
  /** The same, by the ids of their requests. */
  readonly #byId = new Map<string, OpenCall>();

  /**
   * Makes the signal of a call, which must {@link end}.
   *
   * @param leftMs time after which its requester gives it up (milliseconds)
   */
  begin(peer: RequestingPeer, id: Buffer | null, leftMs: number): OpenCall {
    const abort = new AbortController();
    // A handler may add any number of listeners to it.
    setMaxListeners(0, abort.signal);
    const call: OpenCall = { peer, id, abort, timer: null };
    this.#calls.add(call);
    if (id !== null) this.#byId.set(keyOf(id), call);
    if (leftMs <= TIMER_MS_MAX) {
      call.timer = setTimeout(
        () => {
          const message = "the time limit of the request has passed at its requester";
          this.#abort(call, new BrokerlessError("BROKERLESS_TIMEOUT", message));
        },
        Math.max(0, leftMs),
      );
      call.timer.unref();
    }
    return call;
  }

  end(call: OpenCall): void {
    this.#calls.delete(call);
    if (call.id !== null) this.#byId.delete(keyOf(call.id));
    if (call.timer !== null) clearTimeout(call.timer);
  }

  /** The requester no longer waits for a reply. */
  cancel(peer: RequestingPeer, id: Buffer): void {
    const call = this.#byId.get(keyOf(id));
    if (call?.peer !== peer) return;
    this.#abort(call, closed("the requester has given the request up"));
  }

  /** The connection of a requester has ended. */
  lose(peer: RequestingPeer): void {
    for (const call of this.#calls) {
      if (call.peer === peer)
        this.#abort(call, closed("the connection of the requester has ended"));
    }
  }

  close(reason: unknown): void {
    for (const call of this.#calls) this.#abort(call, reason);
  }

  #abort(call: OpenCall, reason: unknown): void {
    this.end(call);
    call.abort.abort(reason);
  }
}

function keyOf(id: Buffer): string {
  return id.toString("latin1");
}

function closed(message: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", message);
}
