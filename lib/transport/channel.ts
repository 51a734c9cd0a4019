import { isMainThread } from "node:worker_threads";
import { BrokerlessError } from "../errors.ts";
import { Binder } from "./binder.ts";
import { Connector } from "./connector.ts";
import {
  ClientIdentity,
  checkBindAllowed,
  checkConnectAllowed,
  type ResolvedSecurity,
  ServerIdentity,
} from "./curve/security.ts";
import { applySecurity, type Guard, nativeOptions } from "./curve/zap.ts";
import type { GateLimits } from "./gate/gate-reader.ts";
import { InprocEndpoints, isInproc } from "./inproc/inproc-endpoints.ts";
import { swept } from "./inproc/sweep.ts";
import { ThreadFraming } from "./inproc/thread-framing.ts";
import { AddressBook, type Addresses } from "./monitor/address-book.ts";
import type { PeerChange } from "./monitor/peer-count.ts";
import { PeerWatch } from "./monitor/peer-watch.ts";
import type { Address } from "./native/address.ts";
import { forgetChannel, rememberChannel } from "./native/channel-registry.ts";
import { NamedHosts, resolveBySystem } from "./native/named-hosts.ts";
import {
  type NativeKind,
  type NativeMessage,
  type NativeSettings,
  type NativeSocket,
  openNative,
} from "./native/native.ts";
import { NativeCalls } from "./native/native-calls.ts";
import { takingDescriptors } from "./native/out-of-descriptors.ts";

/** Told of what happens on a {@link Channel} without being asked. */
export interface ChannelListener {
  readonly onPeer: (change: PeerChange) => void;
  /** A peer has connected to a bound inproc address, or has left. @param id its routing id, if it is a ROUTER */
  readonly onNamed?: (type: "peer" | "peerLost", id: Buffer) => void;
  /** A peer's handshake failed, or it was refused. */
  readonly onProblem: (error: BrokerlessError) => void;
  /** Nobody checks the peers any more: the channel must be closed. */
  readonly onUnguarded: (error: BrokerlessError) => void;
}

/** A peer of a {@link Channel}: libzmq tells the endpoint, and neither who is there nor how it calls itself. */
export interface ChannelPeer {
  readonly address: string;
  readonly id: null;
  readonly name: null;
}

/** Dependencies of {@link Channel}. */
export interface ChannelOptions {
  readonly settings: NativeSettings;
  readonly security: ResolvedSecurity;
  /** Whether peers pass a gate; null: by its rule, see `needsGate`. */
  readonly gate: boolean | null;
  /** What the gate lets pass: it depends on the role. */
  readonly gateLimits: GateLimits;
  readonly listener: ChannelListener;
  /** Whether a send waits for room rather than fail with EAGAIN, where the kind of the socket lets it. Default true. */
  readonly sendsWait?: boolean;
  /**
   * Whether a DEALER keeps what came on a connection that has ended, until it is read. Then it also keeps what it has
   * not sent, for the next connection, unless {@link Channel.renew} comes before that. Default false.
   */
  readonly keepsUnread?: boolean;
  /** Whether the peers are such sockets: they need no time to read before a connection ends. Default false. */
  readonly peersKeepUnread?: boolean;
}

/**
 * Time from the last send to the end of the connections that others made. A DEALER that connects drops what it has
 * received and not read when its connection ends (milliseconds).
 */
const READ_MS = 100;

/**
 * One native socket with what it needs to be used safely: a permanent reader of its monitor, a count of
 * handshaken peers, and an end that cannot crash the process.
 *
 * At most one `send` and one `receive` may be under way at a time; the callers see to it. Nothing here
 * blocks the native socket (`bind` and `unbind` of zeromq do, and make every other call fail).
 *
 * @see docs/decisions/0001-native-sockets.md
 */
export class Channel {
  readonly native: NativeSocket;
  readonly #options: ChannelOptions;
  readonly #guard: Guard;
  readonly #watch: PeerWatch;
  readonly #inproc: InprocEndpoints;
  readonly #endpoints = new AddressBook();
  readonly #binder: Binder;
  readonly #connector: Connector;
  readonly #framing: ThreadFraming;
  /** Whether anything was sent, perhaps to an inproc address that nobody has bound yet. */
  #hasSent = false;
  /** Whether peers may drop what they have not read when this socket closes. */
  readonly #needsReaders: boolean;
  #sentMs = Number.NEGATIVE_INFINITY;
  readonly #calls: NativeCalls;
  #closed = false;
  /** Resolves when the monitor has ended, and libzmq is done with the socket. */
  readonly #ended: Promise<void>;

  constructor(kind: NativeKind, options: ChannelOptions) {
    this.#options = options;
    this.#framing = new ThreadFraming(kind);
    this.#needsReaders = (kind === "router" || kind === "dealer") && !options.peersKeepUnread;
    const { listener, security } = options;
    this.native = openNative(kind, options.settings, nativeOptions(security));
    // libzmq drops both where a message waits for a connection that stands.
    if (options.keepsUnread) this.native.immediate = false;
    this.#calls = new NativeCalls(this.native, kind, options.sendsWait ?? true);
    let onEnd = (): void => {};
    this.#ended = new Promise((resolve) => {
      onEnd = resolve;
    });
    this.#guard = applySecurity(this.native, security, listener.onUnguarded);
    const hosts = new NamedHosts({
      resolve: resolveBySystem,
      move: (move) => this.#connector.move(move),
      onProblem: listener.onProblem,
    });
    this.#watch = new PeerWatch({
      native: this.native,
      endpoints: this.#endpoints,
      hosts,
      hasKeys: security instanceof ClientIdentity || security instanceof ServerIdentity,
      onPeer: (change) => {
        if (change.type === "peerLost") this.#calls.onLost();
        listener.onPeer(change);
      },
      onProblem: listener.onProblem,
      onChange: () => this.#calls.nudge(),
      onTouched: () => this.#calls.wake(),
      onEnd: () => {
        forgetChannel(this);
        onEnd();
      },
    });
    this.#inproc = new InprocEndpoints({
      native: this.native,
      kind,
      onJoined: (address, id) => {
        this.#watch.peers.began(address);
        this.#watch.peers.joined(address);
        this.#calls.nudge();
        if (id === null) return;
        this.#calls.onJoined();
        listener.onNamed?.("peer", Buffer.from(id));
      },
      onEnded: (address, id) => {
        this.#watch.peers.ended(address);
        this.#calls.nudge();
        if (id !== null) listener.onNamed?.("peerLost", Buffer.from(id));
      },
      onTouched: () => this.#calls.wake(),
    });
    const parts = {
      native: this.native,
      endpoints: this.#endpoints,
      inproc: this.#inproc,
      watch: this.#watch,
      calls: this.#calls,
    };
    this.#binder = new Binder(parts, { ...options, kind, onRefused: listener.onProblem });
    this.#connector = new Connector(parts, { hosts, onProblem: listener.onProblem });
    rememberChannel(this);
  }

  /** Peers that have completed the handshake and are still there (count). */
  get peers(): number {
    return this.#watch.peers.count;
  }

  /** Its peers one by one: nothing but their addresses is known. */
  list(): readonly ChannelPeer[] {
    return this.#watch.peers.addresses().map((address) => ({ address, id: null, name: null }));
  }

  /** Whether a message may find a peer now. Over inproc there may be foreign ones, which are not counted. */
  get isReachable(): boolean {
    return this.peers > 0 || this.#inproc.mayHaveForeign;
  }

  get addresses(): Addresses {
    const { bound, connected } = this.#endpoints;
    return { bound, connected };
  }

  /** The address of a peer where ZeroMQ does not report which one it used; `"bound"` where there are several. */
  get peerAddress(): string {
    return this.#endpoints.sole;
  }

  /** Connections at bound addresses that a gate has refused or cut off, or whose handshake libzmq has refused (count). */
  get connectionsRefused(): number {
    return this.#binder.refused + this.#watch.refused;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * @returns the address with its wildcard resolved
   * @throws BrokerlessError `BROKERLESS_ADDRESS` when the operating system refuses, `_SECURITY` when the
   * address is neither loopback nor secured, `_CLOSED`
   */
  async bind(address: Address): Promise<string> {
    checkBindAllowed(this.#options.security, address);
    await this.#guard.ready();
    this.#assertOpen();
    this.#prepare(address);
    return await this.#binder.bind(address);
  }

  /** Connects at once or whenever the peer appears; a second call for the same address does nothing. */
  connect(address: Address): void {
    checkConnectAllowed(this.#options.security, address);
    if (this.#endpoints.isConnected(address.text)) return;
    this.#prepare(address);
    this.#connector.connect(address);
  }

  /** Stops accepting peers; resolves when the address can be bound again. */
  async unbind(address: string): Promise<void> {
    await this.#binder.unbind(address);
  }

  disconnect(address: string): void {
    this.#connector.disconnect(address);
  }

  /** Begins a lost connection anew: what ZeroMQ holds of the one before is dropped, in both directions. */
  renew(address: string): void {
    if (!this.#closed && !isInproc(address)) this.#watch.renew(address);
  }

  /** Resolves when what is sent from now on finds no peer whose loss has been reported. */
  settled(): Promise<void> {
    return this.#watch.settled();
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage): Promise<void> {
    if (this.#needsReaders) this.#sentMs = performance.now();
    if (!this.#framing.isInproc) return this.#calls.send(message);
    this.#hasSent = true;
    try {
      return this.#calls.send(this.#framing.encode(message));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Never throws: a failure is a rejection. */
  receive(): Promise<Buffer[]> {
    return this.#calls.receive(this.#open);
  }

  /** Takes what the socket holds already; see {@link NativeCalls.takeWaiting}. */
  takeWaiting(onMessage: (frames: Buffer[]) => void, isOver: () => boolean): Promise<void> {
    const take = (frames: Buffer[]): void => onMessage(this.#open(frames));
    return this.#calls.takeWaiting(take, isOver);
  }

  /**
   * Closes now; resolves when every bound address can be bound again. What ZeroMQ holds, lingers, and connections that
   * others made stay until what was just sent can have been read ({@link READ_MS}). In a worker thread it resolves when
   * that is over too: a thread that is terminated while a monitor is read aborts the process.
   *
   * @see docs/decisions/0011-ends.md
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#binder.stop();
    this.#watch.stop();
    this.#connector.close();
    const pauseMs = this.#pauseMs();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    // A thread has ended meanwhile.
    if (this.native.closed) return;
    const released = this.#binder.close();
    this.#inproc.close(this.#hasSent ? this.native.linger : 0);
    if (!this.#watch.started) forgetChannel(this);
    this.#guard.release();
    this.native.close();
    await released;
    if (isMainThread) return;
    if (this.#watch.started) await this.#ended;
    await this.#binder.ended();
    if (this.#framing.isInproc) await swept();
  }

  /** Closes without waiting for anything, for a thread that ends. What ZeroMQ holds is dropped. */
  closeNow(): void {
    if (this.native.closed) return;
    this.#closed = true;
    this.#watch.stop();
    this.#connector.close();
    this.#inproc.close(0, true);
    this.#binder.closeNow();
    this.native.linger = 0;
    this.native.close();
  }

  /** For a thread that ends; when libzmq is done with the socket. */
  closeMonitor(): void {
    forgetChannel(this);
    this.#watch.close();
  }

  #prepare({ text, transport }: Address): void {
    this.#framing.use(transport === "inproc" ? "inproc" : "network");
    if (text.includes("[")) this.native.ipv6 = true;
    // inproc has no monitor events, and a monitor would keep the process alive until somebody has bound.
    if (transport !== "inproc") takingDescriptors(() => this.#watch.start());
  }

  /** How long the connections have to stay, before the native socket closes (milliseconds). */
  #pauseMs(): number {
    const { bound } = this.#endpoints;
    if (bound.every(isInproc)) return 0;
    const leftMs = this.#sentMs + READ_MS - performance.now();
    return Math.min(leftMs, this.#options.settings.lingerMs);
  }

  #assertOpen(): void {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
  }

  readonly #open = (frames: Buffer[]): Buffer[] => {
    this.#assertOpen();
    return this.#framing.decode(frames);
  };
}
