import { randomBytes } from "node:crypto";
import { XPublisher } from "zeromq";
import { connectTo, uninterrupted } from "../native/errno.ts";
import {
  AGAIN,
  CUT,
  type Farewell,
  HERE,
  JOINED,
  LEFT,
  type Presence,
  readAll,
  SUFFIX,
} from "./presence.ts";
import { keep, sweep } from "./sweep.ts";

/** First byte of what an XPUB receives where a peer subscribes; otherwise the subscription has ended. */
const SUBSCRIBED = 1;
/** Length of the id of a connector at a binder (bytes). */
const ID_BYTES = 8;

/** {@link PresenceListener} of a connector. */
export interface ConnectorListener {
  /**
   * There is a binder. A connection that was made before leads to it; so does one made within this
   * call, unless it leaves at the same time.
   *
   * @param connected to be called immediately after a connection was made within this call
   */
  readonly joined: (address: string, connected: () => void) => void;
  /**
   * The binder closes; of one that came and went in the meantime, only this is told.
   *
   * @param isSure false where it may have left before the connection was made, which then leads to
   *   it, to nobody, or to the next binder
   */
  readonly ended: (address: string, isSure: boolean) => void;
  /** The binder has released the address, but not closed its socket. */
  readonly cut: (address: string) => void;
  /** The connection leads nowhere: it must be made again. */
  readonly again: (address: string) => void;
}

/** The side of an inproc address that connects. */
export interface Connection extends Presence {
  /** Identifies it at the binder: printable, not of ZeroMQ's own form. */
  readonly id: string;
}

/** Announces this socket to each successive binder of a connected inproc address, now or later. */
export function connectPresence(address: string, listener: ConnectorListener): Connection {
  const presence = new ConnectorPresence(address, listener);
  const close: Presence["close"] = (...args) => presence.close(...args);
  return { id: presence.id, announce: () => {}, close };
}

/** What a connector has learned of one binder. */
interface Visit {
  farewell: string | null;
  /** Whether the connection to it has ended: a new one leads to another binder. */
  isOver: boolean;
  /** Whether the listener was told that it is here, and that it leaves. */
  told: "nothing" | "joined" | "left";
  /** Whether the listener's connection leads to it: it did not say that it leaves before that was made. */
  isSure: boolean;
}

class ConnectorPresence {
  readonly #address: string;
  readonly #listener: ConnectorListener;
  readonly id = randomBytes(ID_BYTES).toString("hex");
  readonly #xpub: XPublisher = openPublisher();
  #visit = newVisit();
  /** Ends the wait for unsent messages of a closed socket; null before it is closed. */
  #endLinger: (() => void) | null = null;

  constructor(address: string, listener: ConnectorListener) {
    this.#address = address;
    this.#listener = listener;
    this.#connect();
    void readAll(this.#xpub, ([subscription]) => {
      // Received before the close, handled after it.
      if (this.#xpub.closed) return;
      this.#learn(subscription!);
      // What it says may be outdated by what follows.
      if (!isReadable(this.#xpub)) this.#act();
    });
  }

  close(farewell: Farewell, lingerMs = 0): void {
    if (this.#xpub.closed || this.#endLinger !== null) return;
    const isKept = this.#visit.told !== "joined" && farewell !== "thread ends";
    if (isKept && lingerMs > 0) {
      keep(this.#linger(lingerMs));
      return;
    }
    this.#leave();
    // Not before the caller has ended its own connection.
    if (isKept) keep(Promise.resolve().then(() => sweep(this.#address)));
  }

  #connect(): void {
    connectTo(this.#xpub, this.#address + SUFFIX);
  }

  #learn(subscription: Buffer): void {
    const visit = this.#visit;
    const word = subscription.toString("latin1", 1);
    if (subscription[0] !== SUBSCRIBED) visit.isOver = true;
    else if (word !== HERE) visit.farewell = word;
  }

  #act(): void {
    if (this.#endLinger !== null) {
      this.#endLinger();
      return;
    }
    const visit = this.#visit;
    const leaves = visit.farewell !== null || visit.isOver;
    if (visit.told === "nothing" && !leaves) this.#join(visit);
    else if (visit.told !== "left" && leaves && visit.farewell !== AGAIN) this.#tellLeft(visit);
    if (visit.isOver && !this.#xpub.closed) this.#renew(visit);
  }

  #join(visit: Visit): void {
    visit.told = "joined";
    const xpub = this.#xpub;
    this.#listener.joined(this.#address, () => {
      visit.isSure = !isReadable(xpub);
    });
    if (xpub.closed) return;
    void xpub.send([HERE, this.id, JOINED]).catch(ignore);
  }

  #tellLeft(visit: Visit): void {
    visit.told = "left";
    if (visit.farewell === CUT) this.#listener.cut(this.#address);
    else this.#listener.ended(this.#address, visit.isSure);
  }

  /**
   * Looks for the next binder, before the listener connects, which must not find one of which
   * nothing is heard here. It is the same socket: there may be no descriptor for another one.
   */
  #renew({ told }: Visit): void {
    this.#visit = newVisit();
    this.#connect();
    if (told === "nothing") this.#listener.again(this.#address);
  }

  #leave(): void {
    void this.#xpub.send([HERE, this.id, LEFT]).catch(ignore);
    this.#xpub.close();
  }

  /** Resolves when the address was bound, or after the timeout. */
  #linger(lingerMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#leave();
        resolve(sweep(this.#address));
      }, lingerMs);
      this.#endLinger = () => {
        clearTimeout(timer);
        this.#leave();
        resolve();
      };
    });
  }
}

function newVisit(): Visit {
  return { farewell: null, isOver: false, told: "nothing", isSure: true };
}

function openPublisher(): XPublisher {
  const xpub = new XPublisher({});
  xpub.linger = 0;
  xpub.sendTimeout = 0;
  xpub.sendHighWaterMark = 0;
  return xpub;
}

function isReadable(socket: XPublisher): boolean {
  return uninterrupted(() => socket.readable);
}

function ignore(): void {}
