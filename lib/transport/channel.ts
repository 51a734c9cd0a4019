import { isMainThread } from "node:worker_threads";
import { BrokerlessError } from "../errors.ts";
import { describe } from "../options.ts";
import {
  ClientIdentity,
  checkBindAllowed,
  checkConnectAllowed,
  type ResolvedSecurity,
  ServerIdentity,
} from "./curve/security.ts";
import { applySecurity, type Guard, nativeOptions } from "./curve/zap.ts";
import { needsGate } from "./gate/gate-policy.ts";
import type { GateLimits } from "./gate/gate-reader.ts";
import { GatedListener } from "./gate/gated-listener.ts";
import { bindFreeName, InprocEndpoints, isInproc } from "./inproc/inproc-endpoints.ts";
import { swept } from "./inproc/presence.ts";
import { fromThread, type ThreadFrames, toThread } from "./inproc/thread-frames.ts";
import { AddressBook, type Addresses } from "./monitor/address-book.ts";
import type { PeerChange } from "./monitor/peer-count.ts";
import { PeerWatch } from "./monitor/peer-watch.ts";
import type { Address } from "./native/address.ts";
import { forgetChannel, rememberChannel } from "./native/channel-registry.ts";
import { bindFreePath, hasFile } from "./native/ipc-path.ts";
import { hasHostName, type Move, NamedHosts, resolveBySystem } from "./native/named-hosts.ts";
import {
  errnoOf,
  type NativeKind,
  type NativeMessage,
  type NativeSettings,
  type NativeSocket,
  openNative,
} from "./native/native.ts";
import { NativeCalls } from "./native/native-calls.ts";
import { takingDescriptors } from "./native/out-of-descriptors.ts";
import { skipRoutingIds } from "./native/router-ids.ts";
import { SocketFile } from "./native/socket-file.ts";

/** Told of what happens on a {@link Channel} without being asked. */
export interface ChannelListener {
  readonly onPeer: (change: PeerChange) => void;
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
  /** Whether peers pass a gate; null: by {@link needsGate}. */
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
}

const NO_GATE =
  'option "gate": there is none before an abstract name, or before a client of CURVE that binds';
/** What libzmq calls an IPv4 address that it binds when it has bound one of IPv6. */
const MAPPED_IPV4 = /\[::ffff:([\d.]+)\]/;
const MIXED =
  "a socket that sends from a worker thread uses either inproc or tcp and ipc: over inproc its frames differ, see docs/wire-format.md";

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
  readonly #kind: NativeKind;
  readonly #options: ChannelOptions;
  readonly #guard: Guard;
  readonly #watch: PeerWatch;
  readonly #inproc: InprocEndpoints;
  readonly #endpoints = new AddressBook();
  readonly #hosts: NamedHosts;
  /** By the address that peers know. */
  readonly #gates = new Map<string, GatedListener>();
  /** Routing ids of peers behind the gates of a ROUTER. */
  readonly #identities = new Set<string>();
  /** At gates that were given up (count). */
  #refusedBefore = 0;
  /** Whether routing ids were skipped, before the first native bind. */
  #skipped = false;
  /** Whether an address of each sort was ever among ours. */
  readonly #uses = { inproc: false, network: false };
  /** Whether anything was sent, perhaps to an inproc address that nobody has bound yet. */
  #hasSent = false;
  readonly #frames: ThreadFrames;
  readonly #calls: NativeCalls;
  #closed = false;
  /** Resolves when the monitor has ended, and libzmq is done with the socket. */
  readonly #ended: Promise<void>;

  constructor(kind: NativeKind, options: ChannelOptions) {
    this.#kind = kind;
    this.#options = options;
    this.#frames = { own: kind === "router" ? 1 : 0, mustOutlive: !isMainThread };
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
    this.#hosts = new NamedHosts({
      resolve: resolveBySystem,
      move: (move) => this.#move(move),
      onProblem: listener.onProblem,
    });
    this.#watch = new PeerWatch({
      native: this.native,
      endpoints: this.#endpoints,
      hosts: this.#hosts,
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
      onJoined: (address) => {
        this.#watch.peers.began(address);
        this.#watch.peers.joined(address);
        this.#calls.nudge();
      },
      onEnded: (address) => {
        this.#watch.peers.ended(address);
        this.#calls.nudge();
      },
      onTouched: () => this.#calls.wake(),
    });
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

  /** Connections that a gate has refused or cut off (count). */
  get connectionsRefused(): number {
    let count = this.#refusedBefore;
    for (const gate of this.#gates.values()) count += gate.refused;
    return count;
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
    const bind = this.#passesGate(address)
      ? this.#bindGated(address.text)
      : this.#bindNative(address);
    try {
      return await bind;
    } catch (cause) {
      this.#assertOpen();
      throw cause instanceof BrokerlessError ? cause : addressError("bind", address.text, cause);
    }
  }

  /** Connects at once or whenever the peer appears; a second call for the same address does nothing. */
  connect(address: Address): void {
    const { text, transport } = address;
    checkConnectAllowed(this.#options.security, address);
    if (this.#endpoints.isConnected(text)) return;
    this.#prepare(address);
    if (hasHostName(text)) {
      this.#endpoints.addConnected(text, true);
      this.#hosts.add(text);
      return;
    }
    try {
      this.native.connect(text);
    } catch (cause) {
      throw addressError("connect to", text, cause);
    }
    if (transport === "inproc") this.#connectPresence(text);
    this.#endpoints.addConnected(text);
    this.#calls.wake();
  }

  #connectPresence(address: string): void {
    try {
      takingDescriptors(() => this.#inproc.connected(address));
    } catch (error) {
      this.native.disconnect(address);
      throw error;
    }
  }

  /** Stops accepting peers; resolves when the address can be bound again. */
  async unbind(address: string): Promise<void> {
    const nativeName = this.#endpoints.nativeNameOf(address);
    if (!this.#endpoints.deleteBound(address)) {
      throw addressError("unbind", describe(address), "it is not bound");
    }
    const released = this.#freed(address, nativeName);
    this.#release(address, nativeName);
    await released;
  }

  disconnect(address: string): void {
    const isNamed = this.#hosts.has(address);
    if (!this.#endpoints.deleteConnected(address)) {
      throw addressError("disconnect from", describe(address), "it is not connected");
    }
    this.#release(address, isNamed ? this.#hosts.delete(address) : address);
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
    if (!this.#uses.inproc) return this.#calls.send(message);
    this.#hasSent = true;
    // Peers over tcp and ipc would see the marks.
    if (this.#uses.network) return this.#calls.send(message);
    try {
      return this.#calls.send(toThread(message, this.#frames));
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
   * Closes now; resolves when every bound address can be bound again. What ZeroMQ holds, lingers. In a worker thread
   * it resolves when that is over too: a thread that is terminated while a monitor is read aborts the process.
   *
   * @see docs/decisions/0011-ends.md
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { bound } = this.#endpoints;
    const released = bound.map((each) => this.#freed(each, this.#endpoints.nativeNameOf(each)));
    this.#watch.stop();
    this.#hosts.close();
    // Closing frees an inproc name only later, in a thread of libzmq.
    for (const each of bound) if (isInproc(each)) this.native.disconnect(each);
    this.#inproc.close(this.#hasSent ? this.native.linger : 0);
    if (!this.#watch.started) forgetChannel(this);
    this.#guard.release();
    this.native.close();
    await Promise.all(released);
    if (isMainThread) return;
    if (this.#watch.started) await this.#ended;
    if (this.#uses.inproc) await swept();
  }

  /** Closes without waiting for anything, for a thread that ends. What ZeroMQ holds is dropped. */
  closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.stop();
    this.#hosts.close();
    this.#inproc.close(0, true);
    for (const gate of this.#gates.values()) gate.closeNow();
    this.native.linger = 0;
    this.native.close();
  }

  /** For a thread that ends; when libzmq is done with the socket. */
  closeMonitor(): void {
    forgetChannel(this);
    this.#watch.close();
  }

  #prepare({ text, transport }: Address): void {
    const isInner = transport === "inproc";
    const hasOther = isInner ? this.#uses.network : this.#uses.inproc;
    if (hasOther && this.#mayLeaveThread) throw new TypeError(MIXED);
    this.#uses[isInner ? "inproc" : "network"] = true;
    if (text.includes("[")) this.native.ipv6 = true;
    // inproc has no monitor events, and a monitor would keep the process alive until somebody has bound.
    if (transport !== "inproc") takingDescriptors(() => this.#watch.start());
  }

  /** @param place what libzmq calls it; null where it was not told to connect yet */
  #release(address: string, place: string | null): void {
    const isParked = this.#watch.isParked(address);
    this.#watch.forget(address);
    if (place === null || isParked) return;
    // zeromq's unbind blocks the socket meanwhile; libzmq ends a bound endpoint with this call too.
    if (isInproc(address)) this.#inproc.release(address);
    else this.native.disconnect(place);
    this.#refusedBefore += this.#gates.get(address)?.refused ?? 0;
    this.#gates.delete(address);
    this.#calls.wake();
    this.#calls.nudgeLater();
  }

  /** A host name leads somewhere, or somewhere else than before. */
  #move({ address, from, to }: Move): void {
    if (this.#closed) return;
    const { native } = this;
    if (from !== null && !this.#watch.isParked(address)) native.disconnect(from);
    this.#watch.moved(address);
    this.#endpoints.move(address, to);
    const { ipv6 } = native;
    const isV6 = to.includes("[");
    // Only where it changes: zeromq.js warns of each change beside another address, though it holds for the next connect.
    if (isV6 !== ipv6) native.ipv6 = isV6;
    try {
      native.connect(to);
    } catch (cause) {
      this.#options.listener.onProblem(addressError("connect to", address, cause));
    } finally {
      if (isV6 !== ipv6) native.ipv6 = ipv6;
    }
    this.#calls.wake();
  }

  /** Whether what it sends may be held by another thread when this one has ended. */
  get #mayLeaveThread(): boolean {
    return !isMainThread && this.#kind !== "pull" && this.#kind !== "sub";
  }

  #passesGate(address: Address): boolean {
    const { gate, security } = this.#options;
    if (gate !== true) return gate ?? needsGate(address, security);
    const cannot = security instanceof ClientIdentity || address.text.startsWith("ipc://@");
    if (cannot) throw new TypeError(NO_GATE);
    return address.transport !== "inproc";
  }

  /** Whether nobody keeps a peer from choosing a routing id of ZeroMQ's own kind. */
  get #meetsStrangers(): boolean {
    const isNamed = this.#options.security instanceof ServerIdentity;
    return this.#kind === "router" && !isNamed && !this.#skipped;
  }

  /** Binds, and remembers it, in one step: what closes the socket must know of all that is bound. */
  async #bindNative(address: Address): Promise<string> {
    if (this.#meetsStrangers) takingDescriptors(() => skipRoutingIds(this.native));
    this.#skipped = true;
    const { text, transport } = address;
    if (transport === "inproc") return await bindFreeName(() => this.#bindNow(address));
    if (transport === "tcp") return this.#bindNow(address);
    const path = text.slice("ipc://".length);
    return await bindFreePath(path, (place) =>
      this.#bindNow(address, hasFile(path) ? place : null),
    );
  }

  /** @param place of the file of a socket: libzmq makes it as the umask says, and nobody else shall connect */
  #bindNow({ text, transport }: Address, place: string | null = null): string {
    this.#assertOpen();
    const file = place === null ? null : new SocketFile(place);
    let nativeName: string | null = null;
    try {
      nativeName = this.#bindEndpoint(file === null ? text : `ipc://${file.draft}`);
      file?.publish();
    } catch (error) {
      file?.remove();
      if (nativeName !== null) this.native.disconnect(nativeName);
      throw error;
    }
    const resolved = transport === "tcp" ? nativeName.replace(MAPPED_IPV4, "$1") : text;
    this.#endpoints.addBound(resolved, nativeName);
    this.#calls.wake();
    return resolved;
  }

  /** @returns what libzmq calls it */
  #bindEndpoint(endpoint: string): string {
    if (isInproc(endpoint)) {
      this.#inproc.bind(endpoint);
      return endpoint;
    }
    this.native.bindSync(endpoint);
    return this.native.lastEndpoint ?? endpoint;
  }

  async #bindGated(address: string): Promise<string> {
    const { gateLimits: limits, listener, settings, security } = this.#options;
    const gate = await GatedListener.open({
      address,
      bindInner: (inner) => {
        this.#assertOpen();
        this.native.bindSync(inner);
      },
      unbindInner: (inner) => {
        if (!this.#closed) this.native.disconnect(inner);
      },
      limits,
      mechanism: security instanceof ServerIdentity ? "CURVE" : "NULL",
      heartbeatMs: settings.heartbeatMs,
      identities: this.#kind === "router" ? this.#identities : null,
      onRefused: listener.onProblem,
    });
    if (this.#closed) await gate.close();
    this.#assertOpen();
    this.#gates.set(gate.address, gate);
    this.#endpoints.addBound(gate.address, gate.inner);
    return gate.address;
  }

  #assertOpen(): void {
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
  }

  readonly #open = (frames: Buffer[]): Buffer[] =>
    this.#uses.inproc ? ownFrames(fromThread(frames, this.#frames)) : frames;

  /** Resolves when a bound address can be bound again, once it has been given up. */
  #freed(address: string, nativeName: string): Promise<void> {
    if (isInproc(address)) return Promise.resolve();
    return this.#gates.get(address)?.close() ?? this.#watch.released(nativeName);
  }
}

/**
 * Over inproc libzmq hands a frame over as it stands: it is the sender's memory, and that of every other subscriber.
 * Whoever receives it may change what he is given, so it is copied.
 */
function ownFrames(frames: readonly Buffer[]): Buffer[] {
  return frames.map((frame) => Buffer.from(frame));
}

function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const reason =
    typeof cause === "string" ? cause : `${errnoOf(cause)} ${(cause as Error).message}`;
  const message = `cannot ${verb} ${address}: ${reason.trim()}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}
