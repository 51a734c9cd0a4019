import { Subscriber, type XPublisher } from "zeromq";
import { bindTo, disconnectFrom } from "../native/errno.ts";

/** Suffix of the presence endpoint of an inproc address. A NUL cannot occur in a user's address. */
export const SUFFIX = "#presence";
/** Subscription of a binder, and first frame of the messages to it. */
export const HERE = "here";
/** Subscription of a binder that leaves: its socket closes, and libzmq ends its connections once all in them was read. */
export const GONE = "gone";
/** Subscription of a binder that only releases the address: libzmq would keep the connection. */
export const CUT = "cut";
/** Subscription of a temporary binder, where no real one was: connect again. */
export const AGAIN = "again";
/** Last frame of a connector's messages. */
export const JOINED: Buffer = Buffer.from("joined");
export const LEFT: Buffer = Buffer.from("left");

/** Receives the arrivals and departures of peers at an inproc address. */
export interface PresenceListener {
  /** @param id of the connector: its routing id, where it has one */
  readonly joined: (address: string, id: string) => void;
  readonly ended: (address: string, id: string) => void;
}

/**
 * Why one side leaves: its socket closes, or only this address is released, or its thread ends and
 * nothing more can be done after the call.
 */
export type Farewell = "gone" | "cut" | "thread ends";

/** One side of an inproc address. */
export interface Presence {
  /**
   * A binder tells its connectors that it leaves, before it releases the address: whoever connects
   * to the address later, and finds it bound, learns of this.
   */
  announce(farewell: Farewell): void;
  /**
   * Announces the departure to the other side.
   *
   * @param lingerMs how long unsent messages wait for a binder of the address (milliseconds);
   *   default 0
   */
  close(farewell: Farewell, lingerMs?: number): void;
}

/**
 * Shows the connectors of a bound inproc address that it is bound, and counts them.
 *
 * libzmq's monitor reports nothing for inproc. Therefore each address has a second one for
 * presence, where the binder is a SUB and each connector an XPUB. libzmq itself brings the
 * subscriptions of a SUB to each XPUB that connects, even while the SUB closes, and reports their
 * end when the connection has ended: no connector can miss the departure of a binder, in whatever
 * thread it is. Connectors announce their arrival and departure by messages. Peers of other
 * libraries are not counted.
 */
export function bindPresence(address: string, listener: PresenceListener): Presence {
  const sub = openBound(address, HERE);
  const peers = new Set<string>();
  void readAll(sub, ([, id, word]) => {
    const key = id!.toString("latin1");
    if (word!.equals(LEFT)) {
      if (peers.delete(key)) listener.ended(address, key);
    } else if (!peers.has(key)) {
      peers.add(key);
      listener.joined(address, key);
    }
  });
  let announced = false;
  const announce = (farewell: Farewell): void => {
    if (announced) return;
    announced = true;
    sub.subscribe(farewell === "cut" ? CUT : GONE);
  };
  return {
    announce,
    close(farewell): void {
      if (sub.closed) return;
      announce(farewell);
      // Closing frees the name only later, in a thread of libzmq.
      disconnectFrom(sub, address + SUFFIX);
      sub.close();
    },
  };
}

/** A bound presence endpoint with a subscription. @throws the error of `bindSync` */
export function openBound(address: string, word: string): Subscriber {
  const sub = new Subscriber({});
  sub.linger = 0;
  sub.subscribe(word);
  try {
    bindTo(sub, address + SUFFIX);
  } catch (error) {
    sub.close();
    throw error;
  }
  return sub;
}

/** Reads until the socket is closed. */
export async function readAll(
  socket: Subscriber | XPublisher,
  onMessage: (parts: Buffer[]) => void,
): Promise<void> {
  try {
    while (!socket.closed) onMessage((await socket.receive()) as Buffer[]);
  } catch {
    // The socket was closed, and nothing is left to read.
  }
}
