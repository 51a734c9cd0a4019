import { setTimeout as delay } from "node:timers/promises";
import { Dealer, Router } from "zeromq";
import { lastLook } from "../../last-look.ts";
import { forgetChannel, rememberChannel } from "../native/channel-registry.ts";
import { errnoOf } from "../native/native.ts";
import { wakeNative } from "../native/native-calls.ts";

/** What is behind an inproc address, for its presence endpoint. A NUL cannot stand in a user's address. */
const SUFFIX = "#presence";
/** A connector looks for a binder, and has no connection yet. */
const ASK = Buffer.from("ask");
/** There is one. */
const FOUND = Buffer.from("found");
/** From a connector: it has connected. From a binder: so it has, and to this binder. */
const HERE = Buffer.from("here");
/** The socket closes: libzmq ends its connections by itself, when all that is in them was read. */
const GONE = Buffer.from("gone");
/** The address alone was given up: libzmq would leave the connection as it is. */
const CUT = Buffer.from("cut");
/** Nobody has bound, and yet there was a binder for a moment: connect again. */
const AGAIN = Buffer.from("again");
/** Who waits for a binder has said so long ago, in the same process (milliseconds). */
const SWEEP_MS = 20;
/**
 * libzmq ends the connections of a socket that closes soon after that, in a thread of its own. Until then what is sent
 * may go there, so that the next binder is asked for only then (milliseconds).
 */
const SETTLE_MS = 20;
/** A connector without an answer looks so often whether there is still somebody to answer (milliseconds). */
const LOOK_MS = 100;

/** Told of peers that come and go on an inproc address. */
export interface PresenceListener {
  readonly joined: (address: string) => void;
  readonly ended: (address: string) => void;
}

/** {@link PresenceListener} of a connector: `joined` is said of its connection, and what ends has been `joined`. */
export interface ConnectorListener extends PresenceListener {
  /** There is a binder, and no connection: it must be made. Returns false to be asked again a little later. */
  readonly found: (address: string) => boolean;
  /** The binder has given up the address, and not its socket. */
  readonly cut: (address: string) => void;
  /** The binder has gone before it has answered: the connection leads to it, or waits for its successor. */
  readonly unsure: (address: string) => void;
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
  /** Says good-bye to the other side. */
  close(farewell: Farewell): void;
}

/** The connecting side of an inproc address. */
export interface ConnectorPresence extends Presence {
  /** Tells the binder that we have connected, after that. */
  announce(): void;
}

/**
 * Answers those who connect to an inproc address that we have bound, and counts them. To be called when that is done,
 * and closed when it is undone.
 *
 * libzmq's monitor reports nothing for inproc. So beside the data's address there is one for presence:
 * the binder is a ROUTER there, each connector a DEALER, and each tells the other when it comes and
 * goes. Works between worker threads, and peers that are not ours are simply not counted.
 *
 * @throws what zeromq throws where somebody else has the name
 * @see docs/decisions/0008-threads.md
 */
export function bindPresence(address: string, listener: PresenceListener): Presence {
  const router = openRouter();
  try {
    router.bindSync(address + SUFFIX);
  } catch (error) {
    router.close();
    throw error;
  }
  const peers = new Map<string, Buffer>();
  /** What is said to those who have connected just before the name was given up. */
  let farewell: Buffer | null = null;
  const tell = (id: Buffer, word: Buffer): void => void router.send([id, word]).catch(ignore);
  void readAll(router, ([id, word]) => {
    const key = id!.toString("latin1");
    const isKnock = word!.equals(HERE) || word!.equals(ASK);
    if (farewell !== null) {
      if (isKnock) tell(id!, farewell);
    } else if (word!.equals(HERE) && !peers.has(key)) {
      peers.set(key, id!);
      tell(id!, HERE);
      listener.joined(address);
    } else if (word!.equals(ASK)) tell(id!, FOUND);
    else if (word!.equals(GONE) && peers.delete(key)) listener.ended(address);
  });
  return {
    close(reason): void {
      if (farewell !== null) return;
      farewell = reason === "cut" ? CUT : GONE;
      // First, for who hears of it connects at once; and closing frees the name only later, in a thread of libzmq.
      router.disconnect(address + SUFFIX);
      for (const id of peers.values()) tell(id, farewell);
      if (reason === "thread ends") {
        router.close();
        return;
      }
      wakeNative(router);
      closeLater(router);
    },
  };
}

/** Where a connector stands: it looks for a binder, or has told one that it is connected, or has its answer. */
type Stage = "asking" | "announced" | "joined";

/**
 * Announces us to whoever binds an inproc address that we connect to, now or later, one after another. To be called
 * before the connection is made, and told of that by {@link ConnectorPresence.announce}.
 *
 * So an answer says that the connection leads to who gives it. And where there is no binder for this side, there was
 * none when the connection was made: it waits for the same one.
 */
export function connectPresence(address: string, listener: ConnectorListener): ConnectorPresence {
  let dealer = openDealer(address);
  let stage: Stage = "announced";
  const tell = (word: Buffer): void => void dealer.send(word).catch(ignore);
  const reopen = (): void => {
    dealer.close();
    dealer = openDealer(address);
    void readAnswers(dealer, onWord);
  };
  const ask = (): void => {
    stage = "asking";
    const asking = dealer;
    setTimeout(() => {
      if (!asking.closed) tell(ASK);
    }, SETTLE_MS);
  };
  const announce = (): void => {
    stage = "announced";
    tell(HERE);
  };
  const onEnd = (word: Buffer): void => {
    if (stage === "asking") return;
    if (word.equals(CUT)) listener.cut(address);
    else if (stage === "joined") listener.ended(address);
    else listener.unsure(address);
  };
  const onWord = (word: Buffer): void => {
    if (word.equals(HERE)) {
      stage = "joined";
      dealer.receiveTimeout = -1;
      listener.joined(address);
    } else if (word.equals(FOUND)) {
      if (listener.found(address)) announce();
      else ask();
    } else if (word.equals(AGAIN) && stage === "announced") {
      reopen();
      listener.again(address);
      announce();
    } else {
      onEnd(word);
      reopen();
      ask();
    }
  };
  void readAnswers(dealer, onWord);
  return {
    announce,
    close(farewell): void {
      if (dealer.closed) return;
      tell(GONE);
      dealer.close();
      // Not before the caller has given up its own connection.
      if (stage !== "joined" && farewell !== "thread ends") {
        void Promise.resolve().then(() => sweep(address));
      }
    },
  };
}

/** Closings that take a moment. */
const closings = new Set<Promise<void>>();

/** Resolves when none of our own sockets is left of addresses that were given up. */
export async function swept(): Promise<void> {
  // What is to follow in this turn has begun.
  await Promise.resolve();
  await Promise.all(closings);
}

/**
 * Lets go of those who have connected to an inproc address that nobody has bound, and were closed: until
 * somebody binds it, libzmq keeps their sockets, and a monitor of theirs keeps the process alive. So
 * somebody does, for an instant. Those who still wait are told to connect again.
 *
 * @returns false where somebody has bound the address: then nobody is kept
 */
export function sweep(address: string): boolean {
  const router = openRouter();
  const data = openRouter();
  let isFree = true;
  try {
    data.bindSync(address);
    data.disconnect(address);
    router.bindSync(address + SUFFIX);
    router.disconnect(address + SUFFIX);
  } catch {
    isFree = false;
  }
  data.close();
  void readAll(router, ([id, word]) => {
    if (word!.equals(GONE)) return;
    void router.send([id!, AGAIN]).catch(ignore);
  });
  closeLater(router);
  return isFree;
}

/** Closes a socket that has no name any more when those who have come before have been answered. */
function closeLater(router: Router): void {
  const closable = { closeNow: () => router.close() };
  rememberChannel(closable);
  const looked = delay(SWEEP_MS).then(() => new Promise<void>((resolve) => void lastLook(resolve)));
  const closing = looked.then(() => {
    forgetChannel(closable);
    router.close();
    closings.delete(closing);
  });
  closings.add(closing);
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
  dealer.receiveTimeout = LOOK_MS;
  dealer.connect(address + SUFFIX);
  return dealer;
}

async function readAll(router: Router, onMessage: (parts: Buffer[]) => void): Promise<void> {
  try {
    while (!router.closed) onMessage((await router.receive()) as Buffer[]);
  } catch {
    // The socket was closed: there is nothing left to read.
  }
}

/**
 * Reads what a binder says, until it has said that it goes, or has gone without a word: it may not have seen us, and
 * its thread may end. libzmq tells a connection over inproc that has ended from one that waits for a binder by
 * whether it can be sent to.
 */
async function readAnswers(dealer: Dealer, onWord: (word: Buffer) => void): Promise<void> {
  while (!dealer.closed) {
    let word: Buffer | undefined;
    try {
      [word] = (await dealer.receive()) as Buffer[];
    } catch (error) {
      if (dealer.closed) return;
      const isWaiting = errnoOf(error) === "EAGAIN" && dealer.writable;
      word = isWaiting ? undefined : GONE;
    }
    // Heard before we closed, told after it.
    if (word !== undefined && !dealer.closed) onWord(word);
  }
}

function ignore(): void {}
