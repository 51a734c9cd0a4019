import { isMainThread } from "node:worker_threads";
import { BrokerlessError } from "../errors.ts";
import type { Address } from "./address.ts";
import { Endpoints } from "./endpoints.ts";
import type { GateLimits } from "./gate-reader.ts";
import { GatedListener } from "./gated-listener.ts";
import { InprocEndpoints, isInproc } from "./inproc-endpoints.ts";
import {
  errnoOf,
  type NativeKind,
  type NativeMessage,
  type NativeSettings,
  type NativeSocket,
  openNative,
} from "./native.ts";
import { forgetChannel, rememberChannel } from "./open-channels.ts";
import type { PeerChange } from "./peer-count.ts";
import { PeerWatch } from "./peer-watch.ts";
import { checkBindAllowed, checkConnectAllowed, type ResolvedSecurity } from "./security.ts";
import { fromThread, toThread } from "./thread-frames.ts";
import { applySecurity, type Guard, nativeOptions } from "./zap.ts";

/** Told of what happens on a {@link Channel} without being asked. */
export interface ChannelListener {
  readonly onPeer: (change: PeerChange) => void;
  /** A peer's handshake failed, or it was refused. */
  readonly onProblem: (error: BrokerlessError) => void;
  /** Nobody checks the peers any more: the channel must be closed. */
  readonly onUnguarded: (error: BrokerlessError) => void;
}

/** What a {@link Channel} is made of. */
export interface ChannelOptions {
  readonly settings: NativeSettings;
  readonly security: ResolvedSecurity;
  /** Whether tcp peers pass a gate; null: those from beyond loopback where nothing else protects us. */
  readonly gate: boolean | null;
  /** What the gate lets pass: it depends on the role. */
  readonly gateLimits: GateLimits;
  readonly listener: ChannelListener;
}

/** An idle socket is asked for its state so often after an endpoint was given up, at growing pauses (count). */
const NUDGES = 10;
/** Nobody is there. */
const NOWHERE = "ipc://@brokerless.nowhere";

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
  readonly #endpoints = new Endpoints();
  /** By the address that peers know. */
  readonly #gates = new Map<string, GatedListener>();
  /** Whether an address of each sort was ever among ours. */
  readonly #uses = { inproc: false, network: false };
  /** Sends and receives under way (count), while zeromq itself looks for what they wait for. */
  #underWay = 0;
  /** A ROUTER that has lost a peer may not have seen it: libzmq looks only now and then when it sends. */
  #looksFirst = false;
  #closed = false;

  constructor(kind: NativeKind, options: ChannelOptions) {
    this.#kind = kind;
    this.#options = options;
    const { listener, security } = options;
    this.native = openNative(kind, options.settings, nativeOptions(security));
    this.#guard = applySecurity(this.native, security, listener.onUnguarded);
    this.#watch = new PeerWatch({
      native: this.native,
      endpoints: this.#endpoints,
      onPeer: (change) => {
        this.#looksFirst ||= kind === "router" && change.type === "peerLost";
        listener.onPeer(change);
      },
      onProblem: listener.onProblem,
      onChange: () => this.#nudge(),
      onEnd: () => forgetChannel(this),
    });
    this.#inproc = new InprocEndpoints({
      native: this.native,
      onJoined: (address) => {
        this.#watch.peers.began(address, false);
        this.#watch.peers.joined(address, false);
        this.#nudge();
      },
      onEnded: (address) => {
        this.#watch.peers.ended(address);
        this.#nudge();
      },
      onTouched: () => this.#wake(),
    });
    rememberChannel(this);
  }

  /** Peers that have completed the handshake and are still there (count). */
  get peers(): number {
    return this.#watch.peers.count;
  }

  /** Whether a message may find a peer now. Over inproc there may be foreign ones, which are not counted. */
  get isReachable(): boolean {
    return this.peers > 0 || this.#inproc.mayHaveForeign;
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
    const { text, transport } = address;
    checkBindAllowed(this.#options.security, address);
    await this.#guard.ready();
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
    this.#prepare(address);
    if (this.#passesGate(address)) return await this.#bindGated(text);
    try {
      this.native.bindSync(text);
    } catch (cause) {
      throw addressError("bind", text, cause);
    }
    const resolved = transport === "inproc" ? text : (this.native.lastEndpoint ?? text);
    this.#endpoints.addBound(resolved);
    if (transport === "inproc") this.#inproc.bound(text);
    return resolved;
  }

  /** Connects at once or whenever the peer appears; a second call for the same address does nothing. */
  connect(address: Address): void {
    const { text, transport } = address;
    checkConnectAllowed(this.#options.security, address);
    if (this.#endpoints.isConnected(text)) return;
    this.#prepare(address);
    try {
      this.native.connect(text);
    } catch (cause) {
      throw addressError("connect to", text, cause);
    }
    this.#endpoints.addConnected(text);
    if (transport === "inproc") this.#inproc.connected(text);
  }

  /** Stops accepting peers; resolves when the address can be bound again. */
  async unbind(address: string): Promise<void> {
    if (!this.#endpoints.deleteBound(address)) {
      throw addressError("unbind", address, "it is not bound");
    }
    const released = this.#freed(address);
    this.#release(address);
    await released;
  }

  disconnect(address: string): void {
    if (!this.#endpoints.deleteConnected(address)) {
      throw addressError("disconnect from", address, "it is not connected");
    }
    this.#release(address);
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage): Promise<void> {
    try {
      if (this.#looksFirst) this.#look();
      const call = this.native.send(this.#leavesThread ? toThread(message) : message);
      this.#underWay += 1;
      return call.then(this.#sent, this.#failed);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Never throws: a failure is a rejection. */
  receive(): Promise<Buffer[]> {
    try {
      const call = this.native.receive();
      this.#underWay += 1;
      return call.then(this.#received, this.#failed);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Closes now; resolves when every bound address can be bound again. What ZeroMQ holds, lingers. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { bound } = this.#endpoints;
    const released = bound.map((each) => this.#freed(each));
    this.#watch.stop();
    // Closing frees an inproc name only later, in a thread of libzmq.
    for (const each of bound) if (isInproc(each)) this.native.disconnect(each);
    this.#inproc.close();
    if (!this.#watch.started) forgetChannel(this);
    this.#guard.release();
    this.native.close();
    await Promise.all(released);
  }

  /** Closes without waiting for anything, for a thread that ends. What ZeroMQ holds is dropped. */
  closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.stop();
    this.#inproc.close(true);
    this.native.linger = 0;
    this.native.close();
  }

  /** For a thread that ends; when libzmq is done with the socket. */
  closeMonitor(): void {
    forgetChannel(this);
    this.#watch.close();
  }

  #prepare({ text, transport }: Address): void {
    this.#uses[transport === "inproc" ? "inproc" : "network"] = true;
    if (this.#leavesThread && this.#uses.network) throw new TypeError(MIXED);
    if (text.includes("[")) this.native.ipv6 = true;
    // inproc has no monitor events, and a monitor would keep the process alive until somebody has bound.
    if (transport !== "inproc") this.#watch.start();
  }

  #release(address: string): void {
    this.#watch.forget(address);
    // zeromq's unbind blocks the socket meanwhile; libzmq ends a bound endpoint with this call too.
    if (isInproc(address)) this.#inproc.release(address);
    else this.native.disconnect(this.#gates.get(address)?.inner ?? address);
    this.#gates.delete(address);
    this.#nudgeLater(1);
  }

  /**
   * libzmq acts on what its own threads have found only while its socket is used. A subscriber that
   * nobody reads from would not tell a new publisher what it wants.
   */
  #nudge(): void {
    // While a call is under way zeromq looks by itself, and looking here would take away its signal.
    if (this.#kind === "sub" && this.#underWay === 0) void this.native.readable;
  }

  /** And an idle socket would keep a connection that it has given up. */
  #nudgeLater(nudges: number): void {
    const nudge = (): void => {
      if (this.#closed) return;
      if (this.#underWay === 0) void (this.native.readable || this.native.writable);
      if (nudges < NUDGES) this.#nudgeLater(nudges + 1);
    };
    setTimeout(nudge, 2 ** nudges).unref();
  }

  /**
   * Makes zeromq look again whether a send or a receive that is under way can go on. Whatever looks at
   * the socket meanwhile (an inproc bind or connect, asking for its state) takes away the signal that
   * zeromq waits for, and the call would wait for ever. What gives a new one is a connection attempt.
   */
  #wake(): void {
    if (this.#underWay === 0) return;
    this.native.connect(NOWHERE);
    this.native.disconnect(NOWHERE);
  }

  /** Right before a send, for that gives back the signal which looking takes away. */
  #look(): void {
    this.#looksFirst = false;
    void this.native.writable;
  }

  /** Whether what it sends may be held by another thread when this one has ended. */
  get #leavesThread(): boolean {
    return this.#uses.inproc && !isMainThread && this.#kind !== "pull" && this.#kind !== "sub";
  }

  #passesGate({ transport, loopback }: Address): boolean {
    const { gate, security } = this.#options;
    return transport === "tcp" && (gate ?? (security === "none" && !loopback));
  }

  async #bindGated(address: string): Promise<string> {
    const { gateLimits: limits, listener } = this.#options;
    const bindInner = (inner: string): void => this.native.bindSync(inner);
    let gate: GatedListener;
    try {
      const onRefused = listener.onProblem;
      gate = await GatedListener.open({ address, bindInner, limits, onRefused });
    } catch (cause) {
      throw addressError("bind", address, cause);
    }
    if (this.#closed) {
      await gate.close();
      throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
    }
    this.#gates.set(gate.address, gate);
    this.#endpoints.addBound(gate.address, gate.inner);
    return gate.address;
  }

  readonly #sent = (): void => {
    this.#underWay -= 1;
  };

  readonly #received = (frames: Buffer[]): Buffer[] => {
    this.#underWay -= 1;
    return this.#uses.inproc ? fromThread(frames) : frames;
  };

  readonly #failed = (error: unknown): never => {
    this.#underWay -= 1;
    throw error;
  };

  /** Resolves when a bound address can be bound again, once it has been given up. */
  #freed(address: string): Promise<void> {
    if (isInproc(address)) return Promise.resolve();
    return this.#gates.get(address)?.close() ?? this.#watch.released(address);
  }
}

function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const reason =
    typeof cause === "string" ? cause : `${errnoOf(cause)} ${(cause as Error).message}`;
  const message = `cannot ${verb} ${address}: ${reason.trim()}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}
