import { setTimeout as delay } from "node:timers/promises";
import { bindTo, connectTo, disconnectFrom, errnoOf } from "../native/errno.ts";
import { type NativeKind, type NativeSocket, setRoutingId } from "../native/native.ts";
import { type Connection, connectPresence } from "./connector-presence.ts";
import { bindPresence, type Presence } from "./presence.ts";

/** Pause between two attempts to bind a name (milliseconds). */
const PAUSE_MS = 2;
/** Attempts after which a name counts as taken (count). */
const TRIES_MAX = 10;

/** Dependencies of {@link InprocEndpoints}. */
export interface InprocOptions {
  readonly native: NativeSocket;
  readonly kind: NativeKind;
  /** @param id routing id of a peer that has connected to a bound address; null where this socket connects */
  readonly onJoined: (address: string, id: string | null) => void;
  readonly onEnded: (address: string, id: string | null) => void;
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

  /**
   * Connects the native socket, now and to each successive binder. The presence comes first: a
   * connection that is made before it could lead to a binder of which it never hears.
   *
   * @throws the error of zeromq; nothing is connected then
   */
  connect(address: string): void {
    const presence = this.#watch(address);
    try {
      this.#connectAs(presence.id, address);
    } catch (error) {
      presence.close("gone");
      throw error;
    }
    this.#presences.set(address, presence);
  }

  /** A ROUTER at a bound address learns of a peer by its presence: only so does it know the routing id. */
  #connectAs(id: string, address: string): void {
    const { native, kind } = this.#options;
    if (kind === "router") setRoutingId(native, id);
    connectTo(native, address);
  }

  #watch(address: string): Connection {
    const { kind, onJoined, onEnded, onTouched } = this.#options;
    const sends = kind !== "pull" && kind !== "sub";
    const connect = (): void => {
      this.#connectAs(connection.id, address);
      onTouched();
    };
    const lost = (): void => {
      this.#joined.delete(address);
      this.#lost.add(address);
      onEnded(address, null);
    };
    const cut = (): void => {
      if (this.#lost.has(address)) return;
      this.#disconnect(address);
      onTouched();
      lost();
    };
    const connection = connectPresence(address, {
      joined: (_, connected) => {
        if (this.#lost.delete(address)) {
          // A thread of libzmq ends the former connection, perhaps later: messages would go into it, and be lost.
          if (sends) this.#disconnect(address);
          this.#connectAs(connection.id, address);
          connected();
          onTouched();
        }
        this.#joined.add(address);
        onJoined(address, null);
      },
      // A connection that may lead to the next binder would be a second one to it: everything would come twice.
      ended: (_, isSure) => (isSure ? lost() : cut()),
      cut,
      again: () => {
        if (this.#lost.has(address)) return;
        this.#disconnect(address);
        connect();
      },
    });
    return connection;
  }

  /** Unbinds or disconnects the address. */
  release(address: string): void {
    const presence = this.#presences.get(address);
    this.#presences.delete(address);
    this.#joined.delete(address);
    presence?.announce("cut");
    if (!this.#lost.delete(address)) this.#disconnect(address);
    presence?.close("cut");
  }

  /**
   * The native socket closes. Closing it would end connections, and free names, only later, in a
   * thread of libzmq: a peer that is notified first would still send.
   *
   * @param lingerMs how long unsent messages wait for a binder; 0 where there are none
   *   (milliseconds)
   * @param threadEnds whether nothing more can be done after the call
   */
  close(lingerMs: number, threadEnds = false): void {
    const farewell = threadEnds ? "thread ends" : "gone";
    for (const presence of this.#presences.values()) presence.announce(farewell);
    for (const address of this.#presences.keys()) {
      if (!this.#lost.has(address)) this.#disconnect(address);
    }
    for (const presence of this.#presences.values()) presence.close(farewell, lingerMs);
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
