import { Dealer, Router } from "zeromq";

/** What is behind an inproc address, for its presence endpoint. A NUL cannot stand in a user's address. */
const SUFFIX = "#presence";
const HERE = Buffer.from("here");
/** The socket closes: libzmq ends its connections by itself, when all that is in them was read. */
const GONE = Buffer.from("gone");
/** The address alone was given up: libzmq would leave the connection as it is. */
const CUT = Buffer.from("cut");
/** Nobody has bound, and yet there was a binder for a moment: connect again. */
const AGAIN = Buffer.from("again");
/** Who waits for a binder has said so long ago, in the same process (milliseconds). */
const SWEEP_MS = 20;

/** Told of peers that come and go on an inproc address. */
export interface PresenceListener {
  readonly joined: (address: string) => void;
  readonly ended: (address: string) => void;
}

/** {@link PresenceListener} of a connector. */
export interface ConnectorListener extends PresenceListener {
  /** The binder has given up the address, and not its socket. */
  readonly cut: (address: string) => void;
  /** The connection leads nowhere: it must be made again. */
  readonly again: (address: string) => void;
}

/**
 * Why one side says good-bye: its socket closes, or only this address is given up, or its thread ends, and
 * nothing more can be done after the call.
 */
export type Farewell = "gone" | "cut" | "thread ends";

/** One side of an inproc address. */
export interface Presence {
  /**
   * Says good-bye to the other side.
   *
   * @param lingerMs how long what was sent waits for somebody who binds the address (milliseconds); default: it does not
   */
  close(farewell: Farewell, lingerMs?: number): void;
}

/**
 * Answers those who connect to an inproc address that we have bound, and counts them.
 *
 * libzmq's monitor reports nothing for inproc. So beside the data's address there is one for presence:
 * the binder is a ROUTER there, each connector a DEALER, and each tells the other when it comes and
 * goes. Works between worker threads, and peers that are not ours are simply not counted.
 */
export function bindPresence(address: string, listener: PresenceListener): Presence {
  const router = openRouter();
  router.bindSync(address + SUFFIX);
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
      router.disconnect(address + SUFFIX);
      router.close();
    },
  };
}

/** Announces us to whoever binds an inproc address that we connect to, now or later, one after another. */
export function connectPresence(address: string, listener: ConnectorListener): Presence {
  let dealer = openDealer(address);
  /** Whether nobody has answered yet. */
  let pending = true;
  /** Ends the wait of what a closed socket has sent; null before it is closed. */
  let endLinger: (() => void) | null = null;
  const read = (): void => {
    void readAll(dealer, ([word]) => {
      // Heard before we closed, told after it.
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
  /** Resolves when somebody has bound the address, or it is too late. */
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
      // Not before the caller has given up its own connection.
      if (isKept) keep(Promise.resolve().then(() => sweep(address)));
    },
  };
}

function keep(sweeping: Promise<void>): void {
  sweeps.add(sweeping);
  void sweeping.then(() => sweeps.delete(sweeping));
}

/** Sockets of ours that stay open for a moment after those who needed them. */
const sweeps = new Set<Promise<void>>();

/** Resolves when none of our own sockets is left of addresses that were given up. */
export async function swept(): Promise<void> {
  await Promise.all(sweeps);
}

/**
 * Lets go of those who have connected to an inproc address that nobody has bound, and were closed: until
 * somebody binds it, libzmq keeps their sockets, and a monitor of theirs keeps the process alive. So
 * somebody does, for an instant. Those who still wait are told to connect again.
 */
function sweep(address: string): Promise<void> {
  const router = openRouter();
  const data = openRouter();
  try {
    data.bindSync(address);
    data.disconnect(address);
    router.bindSync(address + SUFFIX);
    router.disconnect(address + SUFFIX);
  } catch {
    // Somebody has bound it: then nobody is kept.
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
  dealer.connect(address + SUFFIX);
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
    // The socket was closed: there is nothing left to read.
  }
}

function ignore(): void {}
