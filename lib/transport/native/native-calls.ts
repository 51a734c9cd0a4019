import { connectTo, disconnectFrom, errnoOf, uninterrupted } from "./errno.ts";
import type { NativeKind, NativeMessage, NativeSocket, NativeText } from "./native.ts";

/** State checks of an idle socket after an endpoint was released, at growing pauses (count). */
const NUDGES = 10;
/** An address at which nobody listens. */
const NOWHERE = "ipc://@brokerless.nowhere";

/**
 * The sends and receives of a native socket, at most one of each at a time, and the calls that make
 * libzmq process events.
 *
 * libzmq processes the events of its own threads only while its socket is used. But any check of
 * the socket's state during a pending call consumes the signal for which zeromq waits: the call
 * would wait indefinitely.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class NativeCalls {
  readonly #native: NativeSocket;
  readonly #kind: NativeKind;
  /**
   * Whether a send waits for room here, rather than fail with EAGAIN: on a DEALER, which also
   * receives.
   */
  readonly #waits: boolean;
  /** Pending calls (count) whose condition zeromq itself checks. */
  #underWay = 0;
  #receives = false;
  /** Whether a DEALER's send waits inside zeromq. */
  #sendWaits = false;
  /**
   * Whether to check the state before a send: a socket may not have noticed a lost peer, because
   * without a timeout libzmq checks only now and then when it sends.
   */
  #looksFirst = false;

  /** @param sendsWait whether a send waits for room, unless the kind determines it */
  constructor(native: NativeSocket, kind: NativeKind, sendsWait: boolean) {
    this.#native = native;
    this.#kind = kind;
    this.#waits = sendsWait && kind === "dealer";
    if (kind === "dealer") native.sendTimeout = 0;
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage | NativeText): Promise<void> {
    try {
      // Directly before a send, because the send restores the signal that the check consumes.
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

  /** Never throws: a failure is a rejection. @param open maps the received frames */
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
   * Reads the messages that a socket already holds, until there is none or `isOver` returns true.
   * An ordinary receive makes libzmq process events each time, and an XPUB may thereby get more
   * messages than are read; this does so once for a hundred messages. No receive may be pending.
   *
   * @throws the error of zeromq when the socket is closed
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

  /** A peer has connected over inproc: libzmq knows its routing id only once it has processed that. */
  onJoined(): void {
    this.#looksFirst = this.#kind === "router";
  }

  /** A peer has gone. */
  onLost(): void {
    this.#looksFirst = this.#kind === "router" || this.#kind === "dealer";
  }

  /**
   * A connection was made or ended: a subscriber that nobody reads from would not send its
   * subscriptions to a new publisher.
   */
  nudge(): void {
    if (this.#kind === "sub" && this.#underWay === 0) uninterrupted(() => this.#native.readable);
  }

  /** An endpoint was released: an idle socket would keep its connection. */
  nudgeLater(nudges = 1): void {
    const nudge = (): void => {
      if (this.#native.closed) return;
      if (this.#underWay === 0) uninterrupted(() => this.#native.readable || this.#native.writable);
      if (nudges < NUDGES) this.nudgeLater(nudges + 1);
    };
    setTimeout(nudge, 2 ** nudges).unref();
  }

  /**
   * Makes zeromq check again whether a pending call can proceed. A connection attempt causes a new
   * signal.
   */
  wake(): void {
    if (this.#underWay === 0) return;
    connectTo(this.#native, NOWHERE);
    disconnectFrom(this.#native, NOWHERE);
  }

  /**
   * Waits for room for a message inside zeromq. On a socket that also receives, each of the two
   * calls checks the socket's state when it begins, and may consume the other one's signal.
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
