import type { NativeKind, NativeMessage, NativeSocket, NativeText } from "./native.ts";

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
export class Calls {
  readonly #native: NativeSocket;
  readonly #kind: NativeKind;
  /** Calls under way (count), while zeromq itself looks for what they wait for. */
  #underWay = 0;
  /** A ROUTER that has lost a peer may not have seen it: libzmq looks only now and then when it sends. */
  #looksFirst = false;

  constructor(native: NativeSocket, kind: NativeKind) {
    this.#native = native;
    this.#kind = kind;
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage | NativeText): Promise<void> {
    try {
      // Right before a send, for that gives back the signal which looking takes away.
      if (this.#looksFirst) void this.#native.writable;
      this.#looksFirst = false;
      const call = this.#native.send(message);
      this.#underWay += 1;
      return call.then(this.#sent, this.#failed);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Never throws: a failure is a rejection. @param open what is made of the frames */
  receive(open: (frames: Buffer[]) => Buffer[]): Promise<Buffer[]> {
    try {
      const call = this.#native.receive();
      this.#underWay += 1;
      return call.then((frames) => {
        this.#underWay -= 1;
        return open(frames);
      }, this.#failed);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A peer has gone. */
  onLost(): void {
    this.#looksFirst = this.#kind === "router";
  }

  /** A connection came or went: a subscriber that nobody reads from would not tell a new publisher what it wants. */
  nudge(): void {
    if (this.#kind === "sub" && this.#underWay === 0) void this.#native.readable;
  }

  /** An endpoint was given up: an idle socket would keep its connection. */
  nudgeLater(nudges = 1): void {
    const nudge = (): void => {
      if (this.#native.closed) return;
      if (this.#underWay === 0) void (this.#native.readable || this.#native.writable);
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

  readonly #sent = (): void => {
    this.#underWay -= 1;
  };

  readonly #failed = (error: unknown): never => {
    this.#underWay -= 1;
    throw error;
  };
}
