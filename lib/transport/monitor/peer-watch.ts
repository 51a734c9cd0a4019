import { randomBytes } from "node:crypto";
import type { Observer } from "zeromq";
import type { BrokerlessError } from "../../errors.ts";
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
  /** Whether the socket has keys: a handshake that fails may be for them. */
  readonly hasKeys: boolean;
  readonly onPeer: (change: PeerChange) => void;
  /** A peer's handshake failed. */
  readonly onProblem: (error: BrokerlessError) => void;
  /** A connection came or went. */
  readonly onChange: () => void;
  /** The native socket was used: a call that is under way must look again. */
  readonly onTouched: () => void;
  /** The monitor has ended, some time after its socket was closed. */
  readonly onEnd: () => void;
}

/** libzmq closes a listener within microseconds; past this it will not report it (milliseconds). */
const RELEASE_MS_MAX = 2_000;

/**
 * The permanent reader of a native socket's monitor: who is connected, what must be dialled again, and
 * which addresses are free again.
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class PeerWatch {
  /** Peers that have completed the handshake. inproc peers are added from outside. */
  readonly peers: PeerCount;
  readonly #options: PeerWatchOptions;
  readonly #redialer: Redialer;
  readonly #handshakes: HandshakeWatch;
  readonly #failed = new FailedHandshakes();
  /** Addresses that libzmq was told to leave alone until we dial again. */
  readonly #parked = new Set<string>();
  readonly #releases = new Map<string, () => void>();
  #monitor: Observer | null = null;

  constructor(options: PeerWatchOptions) {
    this.#options = options;
    this.peers = new PeerCount(options.onPeer);
    this.#redialer = new Redialer((address) => this.#dial(address));
    this.#handshakes = new HandshakeWatch((address) => {
      if (!options.native.closed) options.onProblem(abortedError(address));
    });
  }

  /** Whether there is a monitor, whose end will be reported. */
  get started(): boolean {
    return this.#monitor !== null;
  }

  /** Starts reading, before the first bind or connect over anything but inproc, which reports nothing. */
  start(): void {
    if (this.#monitor !== null) return;
    const { native, endpoints, onEnd } = this.#options;
    const { events } = native;
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
    // No details: the peer went away, or never spoke ZMTP. That is news only to the count.
    events.on("handshake:error:other", ({ address }) => this.#onFailed(address, null));
    events.on("close", ({ address }) => this.#releases.get(address)?.());
    events.on("end", () => {
      for (const release of this.#releases.values()) release();
      onEnd();
    });
  }

  /** Resolves when a bound address, as libzmq calls it, can be bound again, once it has been given up. */
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
   * Resolves when libzmq has done what follows from all that it has reported so far. The end of a connection is
   * reported before its pipe is taken away: what is sent in between goes into it, and is lost.
   *
   * The thread that reports is the one that does it, in the order of what it is told. So it is told to connect
   * to an address that nobody can know, and that this has failed is reported afterwards.
   */
  async settled(): Promise<void> {
    const { native, onTouched } = this.#options;
    if (this.#monitor === null || native.closed) return;
    const nobody = `ipc://@brokerless.${randomBytes(12).toString("hex")}`;
    const failed = this.released(nobody);
    native.connect(nobody);
    onTouched();
    await failed;
    if (native.closed) return;
    native.disconnect(nobody);
    onTouched();
  }

  /** A connected address leads to another place: what was under way at the old one is not awaited any more. */
  moved(address: string): void {
    this.#parked.delete(address);
    this.#redialer.forget(address);
    this.#handshakes.forget(address);
    this.peers.down(address);
  }

  /** A connection that is lost is dialled at once, as if it had never been; where that is going to be done, it is waited for. */
  renew(address: string): void {
    if (!this.peers.isUp(address) && !this.#redialer.isDue(address)) this.#dial(address);
  }

  /** Whether libzmq knows nothing of a connected address now, since its next try is not due. */
  isParked(address: string): boolean {
    return this.#parked.has(address);
  }

  /** We gave the endpoint up ourselves. */
  forget(address: string): void {
    this.#redialer.forget(address);
    this.#failed.forget(address);
    this.#parked.delete(address);
    this.#handshakes.forget(address);
    this.peers.forget(address);
  }

  /** The socket closes: nothing is dialled again. Ends and releases are still reported. */
  stop(): void {
    this.#redialer.close();
  }

  /** For a thread that ends, when libzmq is done with the socket. */
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
    // Its own pause starts again whenever tcp connects: where only handshakes fail, we dial, with one that grows.
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
      // Over ipc a peer whose kind does not fit hangs up in a way that libzmq calls a failure without details.
      const isEnd = error === null && address.startsWith("ipc:");
      if (isEnd) this.#handshakes.ended(address);
      else this.#handshakes.settled(address);
      if (side === "connected") this.peers.down(address);
      else this.peers.failed(address);
      if (side === "connected" && error === null) this.#tellUnexplained(address);
    }
    if (error !== null) this.#options.onProblem(handshakeError(endpoint, error));
  }

  /** libzmq says no more of a wrong `serverKey` than that the peer has hung up. */
  #tellUnexplained(address: string): void {
    const { hasKeys, native, onProblem } = this.#options;
    if (!hasKeys || native.closed) return;
    if (this.#failed.isNews(address, performance.now())) onProblem(unexplainedError(address));
  }

  /** What libzmq would dial by itself is dialled by us. */
  #park(address: string): void {
    const { native, endpoints, onTouched } = this.#options;
    const place = endpoints.placeOf(address);
    if (native.closed || place === null || this.#parked.has(address)) return;
    this.#redialer.onLost(address);
    this.#parked.add(address);
    native.disconnect(place);
    onTouched();
  }

  /** DEALER and SUB ignore a second connect without the first having been given up. */
  #dial(address: string): void {
    const { native, endpoints } = this.#options;
    const place = endpoints.placeOf(address);
    if (native.closed || place === null || !endpoints.isConnected(address)) return;
    if (!this.#parked.delete(address)) native.disconnect(place);
    native.connect(place);
    this.#options.onTouched();
  }
}
