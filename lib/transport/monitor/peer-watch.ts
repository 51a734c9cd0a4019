import { randomBytes } from "node:crypto";
import type { Observer } from "zeromq";
import type { BrokerlessError } from "../../errors.ts";
import { connectTo, disconnectFrom, monitorOf } from "../native/errno.ts";
import type { NamedHosts } from "../native/named-hosts.ts";
import type { NativeSocket } from "../native/native.ts";
import type { AddressBook, Endpoint } from "./address-book.ts";
import { FailedHandshakes } from "./failed-handshakes.ts";
import { abortedError, handshakeError, unexplainedError } from "./handshake-errors.ts";
import { HandshakeWatch } from "./handshake-watch.ts";
import { type PeerChange, PeerCount } from "./peer-count.ts";
import { Redialer } from "./redialer.ts";

/** Dependencies of {@link PeerWatch}. */
export interface PeerWatchOptions {
  readonly native: NativeSocket;
  readonly endpoints: AddressBook;
  readonly hosts: NamedHosts;
  /** Whether the socket has keys, which may be the cause of a failed handshake. */
  readonly hasKeys: boolean;
  readonly onPeer: (change: PeerChange) => void;
  /** A peer's handshake failed. */
  readonly onProblem: (error: BrokerlessError) => void;
  /** A connection was made or ended. */
  readonly onChange: () => void;
  /** The native socket was used: a pending call must check its state again. */
  readonly onTouched: () => void;
  /** The monitor has ended, some time after its socket was closed. */
  readonly onEnd: () => void;
}

/**
 * Longest wait for the report of a closed listener, which libzmq closes within microseconds
 * (milliseconds).
 */
const RELEASE_MS_MAX = 2_000;

/**
 * The permanent reader of a native socket's monitor. It tracks which peers are connected, which
 * connections must be dialled again, and which addresses are free again.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class PeerWatch {
  /** Peers that have completed the handshake; inproc peers are added from outside. */
  readonly peers: PeerCount;
  readonly #options: PeerWatchOptions;
  readonly #redialer: Redialer;
  readonly #handshakes: HandshakeWatch;
  readonly #failed = new FailedHandshakes();
  /** Addresses that libzmq was told to disconnect until this class dials again. */
  readonly #parked = new Set<string>();
  readonly #releases = new Map<string, () => void>();
  #refused = 0;
  #monitor: Observer | null = null;

  constructor(options: PeerWatchOptions) {
    this.#options = options;
    this.peers = new PeerCount(options.onPeer);
    this.#redialer = new Redialer((address) => this.#dial(address));
    this.#handshakes = new HandshakeWatch((address) => {
      if (!options.native.closed) options.onProblem(abortedError(address));
    });
  }

  /**
   * Handshakes at bound addresses that libzmq has refused, and named the reason of: an unknown key, a wrong `serverKey`,
   * keys on one side only (count). What a gate refuses does not come that far.
   */
  get refused(): number {
    return this.#refused;
  }

  /** Whether there is a monitor, whose end will be reported. */
  get started(): boolean {
    return this.#monitor !== null;
  }

  /**
   * Starts reading, before the first bind or connect, except over inproc, which reports nothing.
   */
  start(): void {
    if (this.#monitor !== null) return;
    const { native, endpoints, onEnd } = this.#options;
    const events = monitorOf(native);
    this.#monitor = events;
    for (const type of ["connect", "connect:delay", "connect:retry"] as const) {
      events.on(type, ({ address }) => endpoints.learn(address));
    }
    for (const type of ["accept", "connect"] as const) {
      events.on(type, ({ address }) => this.#onBegan(endpoints.find(address)));
    }
    events.on("connect:retry", ({ address }) => this.#onRetry(endpoints.find(address)));
    events.on("handshake", ({ address }) => this.#onJoined(endpoints.find(address)));
    events.on("disconnect", ({ address }) => this.#onEnded(endpoints.find(address)));
    for (const type of ["handshake:error:auth", "handshake:error:protocol"] as const) {
      events.on(type, ({ address, error }) => this.#onFailed(address, error));
    }
    // No details: the peer went away, or never spoke ZMTP. It only affects the count.
    events.on("handshake:error:other", ({ address }) => this.#onFailed(address, null));
    events.on("close", ({ address }) => this.#releases.get(address)?.());
    events.on("end", () => {
      for (const release of this.#releases.values()) release();
      onEnd();
    });
  }

  /** Resolves when a released address, by libzmq's name, can be bound again. */
  released(nativeName: string): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        this.#releases.delete(nativeName);
        resolve();
      };
      const timer = setTimeout(release, RELEASE_MS_MAX);
      this.#releases.set(nativeName, release);
    });
  }

  /**
   * Resolves when libzmq has processed everything it has reported so far. It reports the end of a
   * connection before it removes the pipe; messages sent in between go into the pipe, and are lost.
   *
   * The same thread reports and processes, in the order of its commands. Therefore it is told to
   * connect to an unguessable address, and the failure of that connection is reported afterwards.
   */
  async settled(): Promise<void> {
    const { native, onTouched } = this.#options;
    if (this.#monitor === null || native.closed) return;
    const nobody = `ipc://@brokerless.${randomBytes(12).toString("hex")}`;
    const failed = this.released(nobody);
    connectTo(native, nobody);
    onTouched();
    await failed;
    if (native.closed) return;
    disconnectFrom(native, nobody);
    onTouched();
  }

  /**
   * A connected address has another IP address: a pending connection to the old one is no longer
   * awaited.
   */
  moved(address: string): void {
    this.#parked.delete(address);
    this.#redialer.forget(address);
    this.#handshakes.forget(address);
    this.peers.down(address);
  }

  /**
   * Dials a lost connection at once, as if it were new; where a dial is already scheduled, waits
   * for it.
   */
  renew(address: string): void {
    if (!this.peers.isUp(address) && !this.#redialer.isDue(address)) this.#dial(address);
  }

  /**
   * Whether libzmq is disconnected from a connected address now, because its next attempt is not
   * due.
   */
  isParked(address: string): boolean {
    return this.#parked.has(address);
  }

  /** The endpoint was released by this socket. */
  forget(address: string): void {
    this.#redialer.forget(address);
    this.#failed.forget(address);
    this.#parked.delete(address);
    this.#handshakes.forget(address);
    this.peers.forget(address);
  }

  /** The socket closes: nothing is dialled any more. Ends and releases are still reported. */
  stop(): void {
    this.#redialer.close();
  }

  /** For a thread that ends, when libzmq has finished with the socket. */
  close(): void {
    this.#monitor?.close();
  }

  #onBegan(endpoint: Endpoint | null): void {
    if (endpoint === null) return;
    const { address, side } = endpoint;
    this.#handshakes.opened(address, side === "connected");
    if (side === "bound") this.peers.began(address);
  }

  #onRetry(endpoint: Endpoint | null): void {
    if (endpoint === null) return;
    // libzmq's own back-off restarts whenever tcp connects. Where only handshakes fail, this class
    // dials with a growing one.
    if (this.#failed.has(endpoint.address)) this.#park(endpoint.address);
    else this.#redialer.onRetry(endpoint.address);
    this.#options.hosts.onLost(endpoint.address);
    this.peers.down(endpoint.address);
  }

  #onJoined(endpoint: Endpoint | null): void {
    if (endpoint === null) return;
    const { address, side } = endpoint;
    this.#handshakes.settled(address);
    if (side === "connected") {
      this.#redialer.forget(address);
      this.#failed.forget(address);
      this.#options.hosts.onConnected(address);
      this.peers.up(address);
    } else {
      this.peers.joined(address);
    }
    this.#options.onChange();
  }

  #onEnded(endpoint: Endpoint | null): void {
    if (endpoint === null) return;
    const { address, side } = endpoint;
    this.#handshakes.ended(address);
    if (side === "connected") {
      if (!this.peers.isUp(address)) this.#failed.add(address);
      this.#redialer.onLost(address);
      this.#options.hosts.onLost(address);
      this.peers.down(address);
    } else {
      this.peers.ended(address);
    }
    this.#options.onChange();
  }

  #onFailed(nativeName: string, error: Error | null): void {
    const endpoint = this.#options.endpoints.find(nativeName);
    if (endpoint !== null) {
      const { address, side } = endpoint;
      // Over ipc the end of a connection to a peer of an incompatible type is reported as a failure
      // without details.
      const isEnd = error === null && address.startsWith("ipc:");
      if (isEnd) this.#handshakes.ended(address);
      else this.#handshakes.settled(address);
      if (side === "connected") this.peers.down(address);
      else this.peers.failed(address);
      if (side === "bound" && error !== null) this.#refused += 1;
      if (side === "connected" && error === null) this.#reportUnexplained(address);
    }
    if (error !== null) this.#options.onProblem(handshakeError(endpoint, error));
  }

  /** For a wrong `serverKey`, libzmq reports only that the peer has hung up. */
  #reportUnexplained(address: string): void {
    const { hasKeys, native, onProblem } = this.#options;
    if (!hasKeys || native.closed) return;
    if (this.#failed.isNews(address, performance.now())) onProblem(unexplainedError(address));
  }

  /** Takes over the reconnection from libzmq. */
  #park(address: string): void {
    const { native, endpoints, onTouched } = this.#options;
    const place = endpoints.placeOf(address);
    if (native.closed || place === null || this.#parked.has(address)) return;
    this.#redialer.onLost(address);
    this.#parked.add(address);
    disconnectFrom(native, place);
    onTouched();
  }

  /** DEALER and SUB ignore a second connect unless the first was disconnected. */
  #dial(address: string): void {
    const { native, endpoints } = this.#options;
    const place = endpoints.placeOf(address);
    if (native.closed || place === null || !endpoints.isConnected(address)) return;
    if (!this.#parked.delete(address)) disconnectFrom(native, place);
    connectTo(native, place);
    this.#options.onTouched();
  }
}
