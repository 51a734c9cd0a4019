import { Dealer, Router } from "zeromq";

/** What is behind an inproc address, for its presence endpoint. A NUL cannot stand in a user's address. */
const SUFFIX = "#presence";
const HERE = Buffer.from("here");
const GONE = Buffer.from("gone");

/** Told of peers that come and go on an inproc address. */
export interface PresenceListener {
  readonly joined: (address: string) => void;
  readonly ended: (address: string) => void;
}

/** One side of an inproc address; `close` says good-bye to the other side. */
export interface Presence {
  close(): void;
}

/**
 * Answers those who connect to an inproc address that we have bound, and counts them.
 *
 * libzmq's monitor reports nothing for inproc. So beside the data's address there is one for presence:
 * the binder is a ROUTER there, each connector a DEALER, and each tells the other when it comes and
 * goes. Works between worker threads, and peers that are not ours are simply not counted.
 */
export function bindPresence(address: string, listener: PresenceListener): Presence {
  const router = new Router({});
  router.linger = 0;
  router.sendTimeout = 0;
  router.sendHighWaterMark = 0;
  router.bindSync(address + SUFFIX);
  const peers = new Map<string, Buffer>();
  const onMessage = (parts: Buffer[]): void => {
    const [id, word] = parts as [Buffer, Buffer];
    const key = id.toString("latin1");
    if (word.equals(HERE) && !peers.has(key)) {
      peers.set(key, id);
      void router.send([id, HERE]).catch(ignore);
      listener.joined(address);
    } else if (word.equals(GONE) && peers.delete(key)) listener.ended(address);
  };
  void readAll(router, onMessage);
  return {
    close(): void {
      for (const id of peers.values()) void router.send([id, GONE]).catch(ignore);
      router.close();
    },
  };
}

/** Announces us to whoever binds, or will bind, an inproc address that we connect to. */
export function connectPresence(address: string, listener: PresenceListener): Presence {
  const dealer = new Dealer({});
  dealer.linger = 0;
  dealer.sendTimeout = 0;
  dealer.sendHighWaterMark = 0;
  dealer.connect(address + SUFFIX);
  void dealer.send(HERE).catch(ignore);
  void readAll(dealer, ([word]) => {
    if (word!.equals(HERE)) listener.joined(address);
    else listener.ended(address);
  });
  return {
    close(): void {
      void dealer.send(GONE).catch(ignore);
      dealer.close();
    },
  };
}

async function readAll(
  socket: Router | Dealer,
  onMessage: (parts: Buffer[]) => void,
): Promise<void> {
  try {
    for (;;) onMessage((await socket.receive()) as Buffer[]);
  } catch {
    // The socket was closed: there is nothing left to read.
  }
}

function ignore(): void {}
