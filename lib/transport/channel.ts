import { BrokerlessError } from "../errors.ts";
import type { Address } from "./address.ts";
import { HandshakeWatch } from "./handshake-watch.ts";
import {
  errnoOf,
  type NativeKind,
  type NativeMessage,
  type NativeSettings,
  type NativeSocket,
  openNative,
} from "./native.ts";
import { forgetChannel, rememberChannel } from "./open-channels.ts";
import { type PeerChange, PeerCount } from "./peer-count.ts";
import { bindPresence, connectPresence, type Presence } from "./presence.ts";
import { checkBindAllowed, checkConnectAllowed, type ResolvedSecurity } from "./security.ts";
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
  readonly listener: ChannelListener;
}

/** libzmq closes a listener within microseconds; past this it will not report it (milliseconds). */
const RELEASE_MS_MAX = 2_000;

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
  readonly #listener: ChannelListener;
  readonly #security: ResolvedSecurity;
  readonly #guard: Guard;
  readonly #peers: PeerCount;
  readonly #presences = new Map<string, Presence>();
  readonly #bound = new Set<string>();
  readonly #connected = new Set<string>();
  readonly #releases = new Map<string, () => void>();
  #closed = false;

  constructor(kind: NativeKind, options: ChannelOptions) {
    this.#listener = options.listener;
    this.#peers = new PeerCount(options.listener.onPeer);
    this.#security = options.security;
    this.native = openNative(kind, options.settings, nativeOptions(options.security));
    this.#guard = applySecurity(this.native, options.security, options.listener.onUnguarded);
    this.#watch();
    rememberChannel(this);
  }

  /** Peers that have completed the handshake and are still there (count). */
  get peers(): number {
    return this.#peers.count;
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
    checkBindAllowed(this.#security, address);
    await this.#guard.ready();
    if (this.#closed) throw new BrokerlessError("BROKERLESS_CLOSED", "the socket is closed");
    this.#preferIpv6(text);
    try {
      this.native.bindSync(text);
    } catch (cause) {
      throw addressError("bind", text, cause);
    }
    if (transport === "inproc") this.#presences.set(text, bindPresence(text, this.#counted));
    const resolved = transport === "inproc" ? text : (this.native.lastEndpoint ?? text);
    this.#bound.add(resolved);
    return resolved;
  }

  /** Connects at once or whenever the peer appears; a second call for the same address does nothing. */
  connect(address: Address): void {
    const { text, transport } = address;
    checkConnectAllowed(this.#security, address);
    if (this.#connected.has(text)) return;
    this.#preferIpv6(text);
    try {
      this.native.connect(text);
    } catch (cause) {
      throw addressError("connect to", text, cause);
    }
    this.#connected.add(text);
    if (transport === "inproc") this.#presences.set(text, connectPresence(text, this.#counted));
  }

  /** Stops accepting peers; resolves when the address can be bound again. */
  async unbind(address: string): Promise<void> {
    if (!this.#bound.delete(address)) throw addressError("unbind", address, "it is not bound");
    const released = isInproc(address) ? Promise.resolve() : this.#released(address);
    this.#release(address);
    await released;
  }

  disconnect(address: string): void {
    if (!this.#connected.delete(address)) {
      throw addressError("disconnect from", address, "it is not connected");
    }
    this.#release(address);
  }

  /** Never throws: a failure is a rejection. */
  send(message: NativeMessage): Promise<void> {
    try {
      return this.native.send(message);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Never throws: a failure is a rejection. */
  receive(): Promise<Buffer[]> {
    try {
      return this.native.receive();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Closes now; resolves when every bound address can be bound again. What ZeroMQ holds, lingers. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const released = [...this.#bound]
      .filter((address) => !isInproc(address))
      .map((address) => this.#released(address));
    for (const presence of this.#presences.values()) presence.close();
    forgetChannel(this);
    this.#guard.release();
    this.native.close();
    await Promise.all(released);
  }

  /** Closes without waiting for anything, for a thread that ends. */
  closeNow(): void {
    this.#closed = true;
    forgetChannel(this);
    for (const presence of this.#presences.values()) presence.close();
    // In this order: a monitor that outlives its socket would still be waiting when the thread ends.
    this.native.events.close();
    this.native.close();
  }

  readonly #counted = {
    joined: (address: string): void => this.#peers.joined(address),
    ended: (address: string): void => this.#peers.ended(address),
  };

  #watch(): void {
    const { events } = this.native;
    const handshakes = new HandshakeWatch((address) => {
      if (!this.#closed) this.#listener.onProblem(abortedError(address));
    });
    const failed = (event: { address: string; error: Error }): void => {
      handshakes.settled(event.address);
      this.#peers.failed(event.address);
      this.#listener.onProblem(handshakeError(event.address, event.error));
    };
    events.on("accept", (event) => handshakes.opened(event.address));
    events.on("connect", (event) => handshakes.opened(event.address));
    events.on("handshake", (event) => {
      handshakes.settled(event.address);
      this.#peers.joined(event.address);
    });
    events.on("disconnect", (event) => {
      handshakes.ended(event.address);
      this.#peers.ended(event.address);
    });
    events.on("handshake:error:auth", failed);
    events.on("handshake:error:protocol", failed);
    // No details: the peer went away, or never spoke ZMTP. That is news only to the count.
    events.on("handshake:error:other", (event) => {
      handshakes.settled(event.address);
      this.#peers.failed(event.address);
    });
    events.on("close", (event) => this.#releases.get(event.address)?.());
    events.on("end", () => {
      for (const release of this.#releases.values()) release();
    });
  }

  #release(address: string): void {
    this.#presences.get(address)?.close();
    this.#presences.delete(address);
    // zeromq's unbind blocks the socket meanwhile; libzmq ends a bound endpoint with this call too.
    this.native.disconnect(address);
    this.#peers.forget(address);
  }

  #released(address: string): Promise<void> {
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        this.#releases.delete(address);
        resolve();
      };
      const timer = setTimeout(release, RELEASE_MS_MAX);
      this.#releases.set(address, release);
    });
  }

  #preferIpv6(address: string): void {
    if (address.includes("[")) this.native.ipv6 = true;
  }
}

function isInproc(address: string): boolean {
  return address.startsWith("inproc:");
}

function addressError(verb: string, address: string, cause: unknown): BrokerlessError {
  const reason =
    typeof cause === "string" ? cause : `${errnoOf(cause)} ${(cause as Error).message}`;
  const message = `cannot ${verb} ${address}: ${reason.trim()}`;
  return new BrokerlessError("BROKERLESS_ADDRESS", message, { cause });
}

function abortedError(address: string): BrokerlessError {
  const message = `a connection at ${address} ended before its handshake: the peer's socket is of a kind that does not fit, such as a plain one where this one is reliable, or the peer gave up`;
  return new BrokerlessError("BROKERLESS_PROTOCOL", message);
}

function handshakeError(address: string, cause: Error): BrokerlessError {
  const refused = "status" in cause || /CRYPTOGRAPHIC|MECHANISM|ZAP/.test(errnoOf(cause));
  return new BrokerlessError(
    refused ? "BROKERLESS_SECURITY" : "BROKERLESS_PROTOCOL",
    `handshake failed at ${address}: ${cause.message}`,
    { cause },
  );
}
