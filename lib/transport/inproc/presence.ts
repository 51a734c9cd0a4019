import { Dealer, Router } from "zeromq";
import { bindTo, connectTo, disconnectFrom } from "../native/errno.ts";

/** Suffix of the presence endpoint of an inproc address. A NUL cannot occur in a user's address. */
const SUFFIX = "#presence";
const HERE = Buffer.from("here");
/** The socket closes: libzmq ends its connections by itself, once everything in them was read. */
const GONE = Buffer.from("gone");
/** Only the address was released: libzmq would keep the connection. */
const CUT = Buffer.from("cut");
/** There was a temporary binder, and no real one: connect again. */
const AGAIN = Buffer.from("again");
/** A waiting connector in the same process has announced itself within this time (milliseconds). */
const SWEEP_MS = 20;

/** Receives the arrivals and departures of peers at an inproc address. */
export interface PresenceListener {
  readonly joined: (address: string) => void;
  readonly ended: (address: string) => void;
}

/** {@link PresenceListener} of a connector. */
export interface ConnectorListener extends PresenceListener {
  /** The binder has released the address, but not closed its socket. */
  readonly cut: (address: string) => void;
  /** The connection leads nowhere: it must be made again. */
  readonly again: (address: string) => void;
}

/**
 * Why one side leaves: its socket closes, or only this address is released, or its thread ends and
 * nothing more can be done after the call.
 */
export type Farewell = "gone" | "cut" | "thread ends";

/** One side of an inproc address. */
export interface Presence {
  /**
   * Announces the departure to the other side.
   *
   * @param lingerMs how long unsent messages wait for a binder of the address (milliseconds);
   *   default 0
   */
  close(farewell: Farewell, lingerMs?: number): void;
}

/**
 * Replies to the connectors of a bound inproc address, and counts them.
 *
 * libzmq's monitor reports nothing for inproc. Therefore each address has a second one for
 * presence, where the binder is a ROUTER and each connector a DEALER, and both announce their
 * arrival and departure. This works between worker threads; peers of other libraries are not
 * counted.
 */
export function bindPresence(address: string, listener: PresenceListener): Presence {
  const router = openRouter();
  bindTo(router, address + SUFFIX);
  const peers = new Map<string, Buffer>();
  void readAll(router, ([id, word]) => {
    const key = id!.toString("latin1");
    if (word!.equals(HERE) && !peers.has(key)) {
      peers.set(key, id!);
      void router.send([id!, HERE]).catch(ignore);
      listener.joined(address);
    } else if (word!.equals(GONE) && peers.delete(key)) listener.ended(address);
  });
  return {
    close(farewell): void {
      if (router.closed) return;
      const word = farewell === "cut" ? CUT : GONE;
      for (const id of peers.values()) void router.send([id, word]).catch(ignore);
      // Closing frees the name only later, in a thread of libzmq.
      disconnectFrom(router, address + SUFFIX);
      router.close();
    },
  };
}

/** Announces this socket to each successive binder of a connected inproc address, now or later. */
export function connectPresence(address: string, listener: ConnectorListener): Presence {
  let dealer = openDealer(address);
  /** Whether nobody has replied yet. */
  let pending = true;
  /** Ends the wait for unsent messages of a closed socket; null before it is closed. */
  let endLinger: (() => void) | null = null;
  const read = (): void => {
    void readAll(dealer, ([word]) => {
      // Received before the close, handled after it.
      if (dealer.closed) return;
      if (endLinger !== null) {
        endLinger();
        return;
      }
      pending = !word!.equals(HERE);
      if (!pending) {
        listener.joined(address);
        return;
      }
      dealer.close();
      dealer = openDealer(address);
      read();
      if (word!.equals(GONE)) listener.ended(address);
      else if (word!.equals(CUT)) listener.cut(address);
      else listener.again(address);
    });
  };
  const leave = (): void => {
    void dealer.send(GONE).catch(ignore);
    dealer.close();
  };
  /** Resolves when the address was bound, or after the timeout. */
  const linger = (lingerMs: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        leave();
        resolve(sweep(address));
      }, lingerMs);
      endLinger = () => {
        clearTimeout(timer);
        leave();
        resolve();
      };
    });
  read();
  return {
    close(farewell, lingerMs = 0): void {
      if (dealer.closed || endLinger !== null) return;
      const isKept = pending && farewell !== "thread ends";
      if (isKept && lingerMs > 0) {
        keep(linger(lingerMs));
        return;
      }
      leave();
      // Not before the caller has ended its own connection.
      if (isKept) keep(Promise.resolve().then(() => sweep(address)));
    },
  };
}

function keep(sweeping: Promise<void>): void {
  sweeps.add(sweeping);
  void sweeping.then(() => sweeps.delete(sweeping));
}

/** Internal sockets that stay open briefly after their owners. */
const sweeps = new Set<Promise<void>>();

/** Resolves when no internal socket of a released address is left. */
export async function swept(): Promise<void> {
  await Promise.all(sweeps);
}

/**
 * Releases closed connectors of an inproc address that nobody has bound: until it is bound, libzmq
 * keeps their sockets, and their monitors keep the process alive. Therefore this function binds it
 * briefly. Connectors that are still open are asked to connect again.
 */
function sweep(address: string): Promise<void> {
  const router = openRouter();
  const data = openRouter();
  try {
    bindTo(data, address);
    disconnectFrom(data, address);
    bindTo(router, address + SUFFIX);
    disconnectFrom(router, address + SUFFIX);
  } catch {
    // Another socket has bound the address, which releases the connectors.
  }
  void readAll(router, ([id, word]) => {
    if (word!.equals(HERE)) void router.send([id!, AGAIN]).catch(ignore);
  });
  return new Promise((resolve) => {
    setTimeout(() => {
      data.close();
      router.close();
      resolve();
    }, SWEEP_MS);
  });
}

function openRouter(): Router {
  const router = new Router({});
  router.linger = 0;
  router.sendTimeout = 0;
  router.sendHighWaterMark = 0;
  return router;
}

function openDealer(address: string): Dealer {
  const dealer = new Dealer({});
  dealer.linger = 0;
  dealer.sendTimeout = 0;
  dealer.sendHighWaterMark = 0;
  connectTo(dealer, address + SUFFIX);
  void dealer.send(HERE).catch(ignore);
  return dealer;
}

async function readAll(
  socket: Router | Dealer,
  onMessage: (parts: Buffer[]) => void,
): Promise<void> {
  try {
    while (!socket.closed) onMessage((await socket.receive()) as Buffer[]);
  } catch {
    // The socket was closed, and nothing is left to read.
  }
}

function ignore(): void {}
