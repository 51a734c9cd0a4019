import { setTimeout as delay } from "node:timers/promises";
import { errnoOf, type NativeSocket } from "../native/native.ts";
import {
  bindPresence,
  type ConnectorPresence,
  connectPresence,
  type Presence,
  sweep,
} from "./presence.ts";

/** Between two tries to have a name (milliseconds). */
const PAUSE_MS = 2;
/** Tries after which a name is somebody else's (count). */
const TRIES_MAX = 10;

/** Dependencies of {@link InprocEndpoints}. */
export interface InprocOptions {
  readonly native: NativeSocket;
  readonly onJoined: (address: string) => void;
  readonly onEnded: (address: string) => void;
  /** Whether it receives nothing: then a connection that is lost holds nothing that is to be read. */
  readonly onlySends: boolean;
  /** Whether what is sent now may go into a connection that is lost, so far as that can be told. */
  readonly goesAstray: () => boolean;
  /** The native socket was used from outside: a call that is under way must look again. */
  readonly onTouched: () => void;
}

/**
 * How a connection stands: a binder that may be foreign is waited for; one of ours has answered, or is asked; there is
 * none, and libzmq has no connection there but what is left to be read.
 */
type Stage = "open" | "joined" | "found" | "lost";

interface Connection {
  readonly presence: ConnectorPresence;
  stage: Stage;
}

/**
 * The inproc addresses of a socket. libzmq reports nothing about them and never connects again; here
 * peers are counted, and a connector finds the next binder of its address when the first has gone.
 */
export class InprocEndpoints {
  readonly #options: InprocOptions;
  readonly #bound = new Map<string, Presence>();
  readonly #connections = new Map<string, Connection>();

  constructor(options: InprocOptions) {
    this.#options = options;
  }

  /** Whether a peer that is not one of ours, and does not announce itself, may be at one of the addresses. */
  get mayHaveForeign(): boolean {
    if (this.#bound.size > 0) return true;
    for (const { stage } of this.#connections.values()) if (stage === "open") return true;
    return false;
  }

  /** Binds the native socket. @throws what zeromq throws where the name is taken; nothing is bound then */
  bind(address: string): void {
    const { native, onJoined: joined, onEnded: ended } = this.#options;
    native.bindSync(address);
    try {
      this.#bound.set(address, bindPresence(address, { joined, ended }));
    } catch (error) {
      this.#disconnect(address);
      throw error;
    }
  }

  /** Connects the native socket. @throws what zeromq throws */
  connect(address: string): void {
    const { native, onJoined } = this.#options;
    const presence = connectPresence(address, {
      found: () => {
        const isAstray = this.#options.goesAstray();
        if (isAstray) return false;
        this.#connect(address);
        connection.stage = "found";
        return true;
      },
      joined: () => {
        connection.stage = "joined";
        onJoined(address);
      },
      ended: () => {
        // libzmq ends it soon; until then messages would go there.
        if (this.#options.onlySends) this.#disconnect(address);
        this.#lose(address, connection);
      },
      cut: () => {
        this.#disconnect(address);
        this.#lose(address, connection);
      },
      unsure: () => {
        // What has come on it is still to be read, where it is not one that waits.
        if (!sweep(address)) this.#disconnect(address);
        this.#lose(address, connection);
      },
      again: () => {
        this.#disconnect(address);
        this.#connect(address);
      },
    });
    const connection: Connection = { presence, stage: "open" };
    try {
      native.connect(address);
    } catch (error) {
      presence.close("gone");
      throw error;
    }
    this.#connections.set(address, connection);
    presence.announce();
  }

  /** We give the address up. */
  release(address: string): void {
    const bound = this.#bound.get(address);
    const connection = this.#connections.get(address);
    // Before the others hear of it. What a connection that is lost has left is still to be read.
    if (bound !== undefined || connection?.stage !== "lost") this.#disconnect(address);
    this.#bound.delete(address);
    bound?.close("cut");
    if (bound !== undefined) return;
    this.#connections.delete(address);
    connection?.presence.close("cut");
  }

  /** The native socket closes. @param threadEnds whether nothing more can be done after the call */
  close(threadEnds = false): void {
    // Closing ends a connection, or frees a name, only later, in a thread of libzmq: who hears of it first would still send.
    for (const address of this.#bound.keys()) this.#disconnect(address);
    for (const [address, { stage }] of this.#connections) {
      if (stage !== "lost") this.#disconnect(address);
    }
    const connectors = [...this.#connections.values()].map(({ presence }) => presence);
    for (const presence of [...this.#bound.values(), ...connectors]) {
      presence.close(threadEnds ? "thread ends" : "gone");
    }
    this.#bound.clear();
    this.#connections.clear();
  }

  #connect(address: string): void {
    this.#options.native.connect(address);
    this.#options.onTouched();
  }

  #lose(address: string, connection: Connection): void {
    const wasJoined = connection.stage === "joined";
    connection.stage = "lost";
    this.#options.onTouched();
    if (wasJoined) this.#options.onEnded(address);
  }

  /** Ends a connection, or frees a bound name, unless the other side has ended it and we have not heard so yet. */
  #disconnect(address: string): void {
    try {
      this.#options.native.disconnect(address);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}

/**
 * Binds an inproc name. A socket of another thread that has just given it up may still have the half of it, and who
 * looks whether it is free has it for an instant (presence): so it is tried for a moment.
 *
 * @throws what `bind` throws, the last time
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
