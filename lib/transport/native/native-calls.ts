import {
  errnoOf,
  type NativeKind,
  type NativeMessage,
  type NativeSocket,
  type NativeText,
} from "./native.ts";
import { uninterrupted } from "./uninterrupted.ts";

/** An idle socket is asked for its state so often after an endpoint was given up, at growing pauses (count). */
const NUDGES = 10;
/** Nobody is there. */
const NOWHERE = "ipc://@brokerless.nowhere";

/**
 * The sends and receives of a native socket, at most one of each at a time, and what makes libzmq look up.
 *
 * libzmq acts on what its own threads have found only while its socket is used. And whatever looks at the
 * socket while a call is under way takes away the signal that zeromq waits for: the call would wait for ever.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class NativeCalls {
  readonly #native: NativeSocket;
  readonly #kind: NativeKind;
  /** Whether a send waits for room here, rather than fail with EAGAIN: on a DEALER, which also receives. */
  readonly #waits: boolean;
  /** Calls under way (count), while zeromq itself looks for what they wait for. */
  #underWay = 0;
  #receives = false;
  /** Whether a DEALER's send waits inside zeromq. */
  #sendWaits = false;
  /** A socket that has lost a peer may not have seen it: without a timeout libzmq looks only now and then when it sends. */
  #looksFirst = false;

  /** @param sendsWait whether a send waits for room, where it is not said to be otherwise by the kind */
  constructor(native: NativeSocket, kind: NativeKind, sendsWait: boolean) {
    this.#native = native;
    this.#kind = kind;
    this.#waits = sendsWait && kind === "dealer";
    if (kind === "dealer") native.sendTimeout = 0;
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage | NativeText): Promise<void> {
    try {
      // Right before a send, for that gives back the signal which looking takes away.
      if (this.#looksFirst) uninterrupted(() => this.#native.writable);
      this.#looksFirst = false;
      const call = this.#native.send(message);
      this.#underWay += 1;
      if (!this.#waits) return call.then(this.#sent, this.#notSent);
      return call.then(this.#sent, (error) => this.#wait(message, error));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Never throws: a failure is a rejection. @param open what is made of the frames */
  receive(open: (frames: Buffer[]) => Buffer[]): Promise<Buffer[]> {
    try {
      const call = this.#native.receive();
      this.#underWay += 1;
      this.#receives = true;
      if (this.#sendWaits) this.#giveBack();
      return call.then((frames) => {
        this.#receives = false;
        this.#underWay -= 1;
        return open(frames);
      }, this.#notReceived);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes what a socket holds already, until there is no more or `isOver` says so. An ordinary receive asks
   * libzmq for news each time, and an XPUB may get more with each piece of news than it is read of; this does so
   * once for a hundred messages. No receive may be under way.
   *
   * @throws what zeromq throws when the socket is closed
   */
  async takeWaiting(onMessage: (frames: Buffer[]) => void, isOver: () => boolean): Promise<void> {
    const native = this.#native;
    native.receiveTimeout = 0;
    try {
      while (!isOver()) onMessage(await native.receive());
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN" || native.closed) throw error;
    } finally {
      if (!native.closed) native.receiveTimeout = -1;
    }
  }

  /** A peer has gone. */
  onLost(): void {
    this.#looksFirst = this.#kind === "router" || this.#kind === "dealer";
  }

  /** A connection came or went: a subscriber that nobody reads from would not tell a new publisher what it wants. */
  nudge(): void {
    if (this.#kind === "sub" && this.#underWay === 0) uninterrupted(() => this.#native.readable);
  }

  /** An endpoint was given up: an idle socket would keep its connection. */
  nudgeLater(nudges = 1): void {
    const nudge = (): void => {
      if (this.#native.closed) return;
      if (this.#underWay === 0) uninterrupted(() => this.#native.readable || this.#native.writable);
      if (nudges < NUDGES) this.nudgeLater(nudges + 1);
    };
    setTimeout(nudge, 2 ** nudges).unref();
  }

  /** Makes zeromq look again whether a call that is under way can go on. A connection attempt is a new signal. */
  wake(): void {
    if (this.#underWay === 0) return;
    this.#native.connect(NOWHERE);
    this.#native.disconnect(NOWHERE);
  }

  /**
   * Room for a message is waited for inside zeromq. On a socket that receives too, each of the two calls looks
   * at the socket when it begins, and may so take the other one's signal.
   */
  #wait(message: NativeMessage | NativeText, error: unknown): Promise<void> {
    if (errnoOf(error) !== "EAGAIN" || this.#native.closed) return this.#notSent(error);
    this.#native.sendTimeout = -1;
    const call = this.#native.send(message);
    this.#native.sendTimeout = 0;
    this.#sendWaits = true;
    this.#giveBack();
    return call.then(this.#sent, this.#notSent);
  }

  #giveBack(): void {
    const readable = uninterrupted(() => this.#native.readable);
    const writable = uninterrupted(() => this.#native.writable);
    if ((this.#receives && readable) || (this.#sendWaits && writable)) this.wake();
  }

  readonly #sent = (): void => {
    this.#sendWaits = false;
    this.#underWay -= 1;
  };

  readonly #notSent = (error: unknown): never => {
    this.#sent();
    throw error;
  };

  readonly #notReceived = (error: unknown): never => {
    this.#receives = false;
    this.#underWay -= 1;
    throw error;
  };
}
