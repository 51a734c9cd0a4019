import { setTimeout as delay } from "node:timers/promises";
import { bindTo, connectTo, disconnectFrom, errnoOf } from "../native/errno.ts";
import type { NativeKind, NativeSocket } from "../native/native.ts";
import { bindPresence, connectPresence, type Presence } from "./presence.ts";

/** Pause between two attempts to bind a name (milliseconds). */
const PAUSE_MS = 2;
/** Attempts after which a name counts as taken (count). */
const TRIES_MAX = 10;

/** Dependencies of {@link InprocEndpoints}. */
export interface InprocOptions {
  readonly native: NativeSocket;
  readonly kind: NativeKind;
  readonly onJoined: (address: string) => void;
  readonly onEnded: (address: string) => void;
  /** The native socket was used from outside: a pending call must check its state again. */
  readonly onTouched: () => void;
}

/**
 * The inproc addresses of a socket. libzmq reports nothing about them and never reconnects. This
 * class counts the peers, and reconnects to the next binder of an address when the previous one has
 * gone.
 */
export class InprocEndpoints {
  readonly #options: InprocOptions;
  readonly #presences = new Map<string, Presence>();
  /** Connected addresses whose binder has gone: libzmq has no connection there. */
  readonly #lost = new Set<string>();
  readonly #connected = new Set<string>();
  /** Connected addresses whose binder has replied. */
  readonly #joined = new Set<string>();

  constructor(options: InprocOptions) {
    this.#options = options;
  }

  /**
   * Whether one of the addresses may have a peer of another library, which does not announce
   * itself.
   */
  get mayHaveForeign(): boolean {
    return this.#presences.size > this.#joined.size + this.#lost.size;
  }

  /**
   * Binds the native socket. @throws the error of zeromq where the name is taken; nothing is bound
   * then
   */
  bind(address: string): void {
    const { native, onJoined: joined, onEnded: ended } = this.#options;
    bindTo(native, address);
    try {
      this.#presences.set(address, bindPresence(address, { joined, ended }));
    } catch (error) {
      this.#disconnect(address);
      throw error;
    }
  }

  /** The native socket has connected to the address. */
  connected(address: string): void {
    const { native, kind, onJoined, onEnded, onTouched } = this.#options;
    const sends = kind !== "pull" && kind !== "sub";
    const connect = (): void => {
      connectTo(native, address);
      onTouched();
    };
    const lost = (): void => {
      this.#joined.delete(address);
      this.#lost.add(address);
      onEnded(address);
    };
    const presence = connectPresence(address, {
      joined: () => {
        if (this.#lost.delete(address)) {
          // A thread of libzmq ends the former connection, perhaps later: messages would go into it, and be lost.
          if (sends) this.#disconnect(address);
          connect();
        }
        this.#joined.add(address);
        onJoined(address);
      },
      ended: lost,
      cut: () => {
        this.#disconnect(address);
        onTouched();
        lost();
      },
      again: () => {
        if (this.#lost.has(address)) return;
        this.#disconnect(address);
        connect();
      },
    });
    this.#presences.set(address, presence);
    this.#connected.add(address);
  }

  /** Unbinds or disconnects the address. */
  release(address: string): void {
    this.#presences.get(address)?.close("cut");
    this.#presences.delete(address);
    this.#joined.delete(address);
    this.#connected.delete(address);
    if (!this.#lost.delete(address)) this.#disconnect(address);
  }

  /**
   * The native socket closes.
   *
   * @param lingerMs how long unsent messages wait for a binder; 0 where there are none
   *   (milliseconds)
   * @param threadEnds whether nothing more can be done after the call
   */
  close(lingerMs: number, threadEnds = false): void {
    // Closing ends a connection only later, in a thread of libzmq: a peer that is notified first
    // would still send.
    for (const address of this.#connected) if (!this.#lost.has(address)) this.#disconnect(address);
    this.#connected.clear();
    for (const presence of this.#presences.values()) {
      presence.close(threadEnds ? "thread ends" : "gone", lingerMs);
    }
    this.#presences.clear();
  }

  /**
   * Ends a connection, or frees a bound name, unless the other side has ended it already and the
   * notification is still on its way.
   */
  #disconnect(address: string): void {
    try {
      disconnectFrom(this.#options.native, address);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}

/**
 * Binds an inproc name, with retries for a short time. A socket of another thread that has just
 * released the name may not have freed it completely, and the check whether it is free occupies it
 * briefly (see presence.ts).
 *
 * @throws the error of `bind` in the last attempt
 */
export async function bindFreeName<T>(bind: () => T): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return bind();
    } catch (error) {
      if (errnoOf(error) !== "EADDRINUSE" || tries === TRIES_MAX) throw error;
    }
    await delay(PAUSE_MS);
  }
}

export function isInproc(address: string): boolean {
  return address.startsWith("inproc:");
}
