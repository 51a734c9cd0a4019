import { isMainThread } from "node:worker_threads";
import { BrokerlessError } from "../errors.ts";
import type { Address } from "./address.ts";
import { Calls } from "./calls.ts";
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
  /** Whether a send waits for room rather than fail with EAGAIN, where the kind of the socket lets it. Default true. */
  readonly sendsWait?: boolean;
}

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
  readonly #calls: Calls;
  #closed = false;

  constructor(kind: NativeKind, options: ChannelOptions) {
    this.#kind = kind;
    this.#options = options;
    const { listener, security } = options;
    this.native = openNative(kind, options.settings, nativeOptions(security));
    this.#calls = new Calls(this.native, kind, options.sendsWait ?? true);
    this.#guard = applySecurity(this.native, security, listener.onUnguarded);
    this.#watch = new PeerWatch({
      native: this.native,
      endpoints: this.#endpoints,
      onPeer: (change) => {
        if (change.type === "peerLost") this.#calls.onLost();
        listener.onPeer(change);
      },
      onProblem: listener.onProblem,
      onChange: () => this.#calls.nudge(),
      onTouched: () => this.#calls.wake(),
      onEnd: () => forgetChannel(this),
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
    this.#calls.wake();
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
    this.#calls.wake();
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

  /** Resolves when what is sent from now on finds no peer whose loss has been reported. */
  settled(): Promise<void> {
    return this.#watch.settled();
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage): Promise<void> {
    return this.#calls.send(this.#leavesThread ? toThread(message) : message);
  }

  /** Never throws: a failure is a rejection. */
  receive(): Promise<Buffer[]> {
    return this.#calls.receive(this.#open);
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
    const isInner = transport === "inproc";
    const hasOther = isInner ? this.#uses.network : this.#uses.inproc;
    if (hasOther && this.#mayLeaveThread) throw new TypeError(MIXED);
    this.#uses[isInner ? "inproc" : "network"] = true;
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
    this.#calls.wake();
    this.#calls.nudgeLater();
  }

  /** Whether what it sends may be held by another thread when this one has ended. */
  get #leavesThread(): boolean {
    return this.#uses.inproc && this.#mayLeaveThread;
  }

  get #mayLeaveThread(): boolean {
    return !isMainThread && this.#kind !== "pull" && this.#kind !== "sub";
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

  readonly #open = (frames: Buffer[]): Buffer[] =>
    this.#uses.inproc ? fromThread(frames) : frames;

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
