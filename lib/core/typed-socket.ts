import type { Writable } from "node:stream";
import { BrokerlessError } from "../errors.ts";
import type { Role } from "../role.ts";
import { assertNode } from "../runtime.ts";
import { Channel, type ChannelOptions } from "../transport/channel.ts";
import type { Addresses } from "../transport/monitor/address-book.ts";
import { type Address, checkAddress } from "../transport/native/address.ts";
import type { NativeKind } from "../transport/native/native.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions } from "../wait.ts";
import { channelOptions, type RoleTraits } from "./channel-options.ts";
import { ErrorEvents, warnOfUnheard } from "./events/error-events.ts";
import { EventLog } from "./events/event-log.ts";
import { Events, type Listener } from "./events/events.ts";
import { type Peer, strangerAt } from "./events/peer.ts";
import type { SocketEvents } from "./events/socket-events.ts";
import { showAs } from "./inspection.ts";
import { closedError } from "./queue/receive-queue.ts";
import { peersOf, ReadyCalls, type ReadyOptions } from "./ready-calls.ts";
import type { ResolvedCommon } from "./socket-options.ts";
import type { SocketStats, SocketStatus } from "./socket-stats.ts";
import { createWritable, type WritableTarget } from "./writable.ts";

const EVENTS: Readonly<Record<keyof SocketEvents, true>> = {
  peer: true,
  peerLost: true,
  error: true,
  deadLetter: true,
  dropped: true,
  lost: true,
  leaseLost: true,
  diverged: true,
  retry: true,
  requestFailed: true,
  missed: true,
};
/** The network side of a socket: one native socket, or an object in its place. */
export interface Endpoints {
  /** Peers that have completed the handshake and are still connected (count). */
  readonly peers: number;
  /** The same peers, one by one. */
  list(): readonly Peer[];
  readonly addresses: Addresses;
  /** Connections at bound addresses that were refused, by a gate or in the handshake, or cut off by a gate (count). */
  readonly connectionsRefused: number;
  bind(address: Address): Promise<string>;
  connect(address: Address): void;
  unbind(address: string): Promise<void>;
  disconnect(address: string): void;
  close(): Promise<void>;
}

/** Creates the {@link Endpoints} of a socket that consists of more than one native socket. */
export type OpenEndpoints = (options: ChannelOptions) => Endpoints;

/**
 * Base class of all eight roles: addresses, life cycle, peers and events. The roles add sending and receiving.
 *
 * Life cycle: `open` -> `draining` -> `closed`; `drain` alone returns to `open`. An open socket keeps the process
 * alive, as a listening server does: close it, or declare it with `await using`.
 *
 * @example
 * ```ts
 * await using push = new Push<string>(); // drained and closed at the end of the block
 * push.on("error", (error) => console.error(error.code, error.message));
 * await push.bind("tcp://127.0.0.1:5555");
 * await push.ready({ timeoutMs: 5_000 });
 * ```
 *
 * @see docs/sockets.md
 */
export abstract class TypedSocket<M extends SocketEvents = SocketEvents> {
  static {
    showAs<TypedSocket>(TypedSocket, (socket) => {
      const { role, status } = socket;
      const { name } = socket.#common;
      return { role, name, status, addresses: socket.#endpoints.addresses, stats: socket.stats() };
    });
  }

  readonly #endpoints: Endpoints;
  protected readonly events: Events<M>;
  readonly #errors = new ErrorEvents((error) => this.#report(error));
  #hasWarned = false;
  readonly #common: ResolvedCommon;
  readonly #readies = new ReadyCalls();
  /** Functions to call when the socket closes. */
  readonly #ends = new Set<() => void>();
  readonly #log: EventLog | null;
  #draining = 0;
  #closing: Promise<void> | null = null;

  protected constructor(
    kind: NativeKind | OpenEndpoints,
    common: ResolvedCommon,
    traits: RoleTraits = {},
  ) {
    assertNode("a socket");
    this.#common = common;
    const names = [...Object.keys(EVENTS), ...(traits.events ?? [])];
    this.events = new Events<M>(names as (keyof M & string)[]);
    this.#log = this.#openLog(common);
    const options = channelOptions(common, traits, {
      onPeer: ({ type, address, peers }) => this.onPeerChange(type, address, peers),
      onProblem: (error) => this.report(error),
      onUnguarded: (error) => {
        this.report(error);
        void this.close();
      },
    });
    this.#endpoints = typeof kind === "string" ? new Channel(kind, options) : kind(options);
  }

  /** The state of the life cycle. `"draining"` during `drain`, and during the drain at the end of `await using`. */
  get status(): SocketStatus {
    if (this.#closing !== null) return "closed";
    return this.#draining > 0 ? "draining" : "open";
  }

  /**
   * Accepts peers at an address: `tcp://127.0.0.1:5555`, `tcp://127.0.0.1:*`, `ipc:///path`, `inproc://name`.
   *
   * @returns the address with its wildcard resolved
   * @throws TypeError for a malformed address; BrokerlessError `BROKERLESS_ADDRESS` (in use, or not an address of this
   * host), `BROKERLESS_SECURITY` (neither loopback nor secured), `BROKERLESS_CLOSED`
   */
  async bind(address: string): Promise<string> {
    const checked = checkAddress(address, "bind", "bind: address");
    this.assertOpen();
    return await this.#endpoints.bind(checked);
  }

  /**
   * Connects to an address, at once or as soon as a peer is bound there. A lost connection is re-established, with
   * exponential back-off and jitter.
   *
   * @throws TypeError for a malformed address; BrokerlessError `BROKERLESS_CLOSED`
   */
  connect(address: string): void {
    const checked = checkAddress(address, "connect", "connect: address");
    this.assertOpen();
    this.#endpoints.connect(checked);
  }

  /**
   * Stops accepting peers at an address that `bind` returned. Peers connected through it are disconnected.
   *
   * @returns resolves when the address can be bound again
   * @throws BrokerlessError `BROKERLESS_ADDRESS` when it is not bound, `BROKERLESS_CLOSED`
   */
  async unbind(address: string): Promise<void> {
    this.assertOpen();
    await this.#endpoints.unbind(address);
  }

  /**
   * Disconnects from an address that `connect` was given. An attempt to connect that is under way may still succeed: the
   * peer then sees this socket for a moment.
   *
   * @throws BrokerlessError `BROKERLESS_ADDRESS` when the socket is not connected there, `BROKERLESS_CLOSED`
   */
  disconnect(address: string): void {
    this.assertOpen();
    this.#endpoints.disconnect(address);
  }

  /**
   * Resolves when enough peers have completed the handshake. Right after an address was disconnected and connected
   * again, the previous connection may still count for a moment.
   *
   * @throws TypeError for wrong options; BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's
   * reason
   */
  ready(options?: ReadyOptions): Promise<void> {
    return quiet(this.#ready(options));
  }

  async #ready(options?: ReadyOptions): Promise<void> {
    const peers = peersOf(options);
    this.assertOpen();
    if (this.peerCount < peers) await this.#readies.until(peers, options);
  }

  /**
   * Resolves when every message accepted before the call has reached its confirm level. At `queued` that means: handed
   * to ZeroMQ, which goes on delivering for `lingerMs` after `close`.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`; `BROKERLESS_CLOSED` where the socket is closed, or closes first; or
   * the signal's reason
   */
  drain(options?: WaitOptions): Promise<void> {
    return quiet(this.#drain(options));
  }

  async #drain(options?: WaitOptions): Promise<void> {
    checkWaitOptions("drain", options, WAIT_OPTIONS);
    this.assertOpen();
    this.#draining += 1;
    try {
      await this.flushAll(options);
    } finally {
      this.#draining -= 1;
    }
  }

  /**
   * Closes the socket at once: iterations end, pending calls reject with `BROKERLESS_CLOSED`, and messages not yet
   * handed to ZeroMQ are dropped. A second call waits for the first. To finish the work first, call `drain`, or use
   * `await using`.
   *
   * @returns resolves when every bound address can be bound again; in a worker thread, when the thread can be
   * terminated: at most `lingerMs` later
   */
  close(): Promise<void> {
    if (this.#closing === null) {
      this.#closing = this.#endpoints.close();
      this.stop();
      this.#readies.close();
      this.#errors.end();
      this.#log?.end();
      for (const end of [...this.#ends]) end();
    }
    return this.#closing;
  }

  /**
   * Drains for at most `lingerMs`, then closes. Messages left after that are reported as an `error` event with
   * `BROKERLESS_TIMEOUT`.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === "closed") return this.close();
    try {
      await this.drain({ timeoutMs: this.#common.lingerMs });
    } catch (error) {
      // A caller that closes the socket meanwhile accepts that messages are left.
      if (this.#closing === null) this.report(error as BrokerlessError);
    }
    await this.close();
  }

  /** Counters and gauges, as a plain object. Cheap. */
  abstract stats(): SocketStats;

  /**
   * The peers that `ready` counts, one by one, as far as this socket can identify them. The name of a peer is its own
   * claim. Takes time for each peer; `stats().peers` is their number (a `Publisher` also lists peers that have not
   * announced themselves). A message may arrive before its peer is counted.
   *
   * @see docs/decisions/0063-names-of-peers.md
   */
  peers(): readonly Peer[] {
    return this.#endpoints.list();
  }

  /**
   * Adds a listener for an event.
   *
   * @example
   * ```ts
   * const remove = socket.on("peerLost", ({ address, peers }) => console.warn(address, peers));
   * ```
   *
   * @returns a function that removes the listener
   * @throws TypeError for an unknown event, or a listener that is not a function
   */
  on<K extends keyof M>(event: K, listener: Listener<M[K]>): () => void {
    return this.events.on(event, listener);
  }

  /**
   * Resolves with the next event of this name; earlier events do not count. For `"error"` it resolves with the error.
   *
   * @throws TypeError for an unknown event; BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED` where the socket
   * closes first; or the signal's reason
   */
  once<K extends keyof M>(event: K, options?: WaitOptions): Promise<M[K]> {
    if (this.#closing !== null) return quiet(Promise.reject(closedError()));
    const whenClosed = (end: () => void) => this.whenClosed(end);
    return quiet(this.events.next(event, options, whenClosed));
  }

  protected abstract get role(): Role;

  /** Peers that `ready` counts (count). */
  protected get peerCount(): number {
    return this.#endpoints.peers;
  }

  /** Connections at bound addresses that were refused, by a gate or in the handshake, or cut off by a gate (count). */
  protected get connectionsRefused(): number {
    return this.#endpoints.connectionsRefused;
  }

  /** The native socket, of a role that has exactly one. */
  protected get channel(): Channel {
    return this.#endpoints as Channel;
  }

  /** Flushes all queues; does nothing in roles that only receive. */
  protected abstract flushAll(options: WaitOptions | undefined): Promise<void>;

  /** Ends all pending calls, when the socket closes. */
  protected abstract stop(): void;

  /** Called when a connection was opened or lost. */
  protected onPeerChange(type: "peer" | "peerLost", address: string, peers: number): void {
    this.reportPeers(type, strangerAt(address), peers);
  }

  protected reportPeers(type: "peer" | "peerLost", peer: Peer, peers: number): void {
    this.events.emit(type, { ...peer, peers } as M[typeof type]);
    this.checkReady();
  }

  protected report(error: BrokerlessError): void {
    this.#errors.report(error);
  }

  #report(error: BrokerlessError): void {
    if (this.events.emit("error", error as M["error"]) || this.#hasWarned) return;
    this.#hasWarned = true;
    warnOfUnheard(this.role, error);
  }

  /** Reports that ZeroMQ refused a frame that it should have accepted. */
  protected reportFailure(cause: unknown): void {
    const message = `ZeroMQ refused a message: ${cause instanceof Error ? cause.message : cause}`;
    this.report(new BrokerlessError("BROKERLESS_PROTOCOL", message, { cause }));
  }

  #openLog({ logger, name }: ResolvedCommon): EventLog | null {
    if (logger === null) return null;
    const log = new EventLog(logger, this.role, name);
    // Every event of every role has an entry in the log.
    this.events.tap((event, value) => log.write(event as "error", value as SocketEvents["error"]));
    return log;
  }

  /** Registers a function to call when the socket closes. @returns removes the registration */
  protected whenClosed(end: () => void): () => void {
    this.#ends.add(end);
    return () => {
      this.#ends.delete(end);
    };
  }

  /** @throws BrokerlessError `BROKERLESS_CLOSED` */
  protected openWritable(target: Omit<WritableTarget, "drain" | "whenClosed">): Writable {
    this.assertOpen();
    const drain = (signal: AbortSignal) => this.drain({ signal });
    return createWritable({ ...target, drain, whenClosed: (end) => this.whenClosed(end) });
  }

  /** Ends the `ready` calls whose number of peers has been reached. */
  protected checkReady(): void {
    this.#readies.check(this.peerCount);
  }

  /** @throws BrokerlessError `BROKERLESS_CLOSED` */
  protected assertOpen(): void {
    if (this.#closing !== null) throw closedError();
  }
}
