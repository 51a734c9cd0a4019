import { BrokerlessError } from "../errors.ts";
import { expected } from "../options.ts";
import { type Address, checkAddress } from "../transport/address.ts";
import { Channel, type ChannelOptions } from "../transport/channel.ts";
import type { NativeKind } from "../transport/native.ts";
import { quiet, type WaitOptions, wait } from "../wait.ts";
import { Events, type Listener } from "./events.ts";
import { closedError } from "./inbox.ts";
import type { ResolvedCommon } from "./options.ts";
import type { SocketStats } from "./socket-stats.ts";

/** What every socket tells of itself. */
export interface SocketEvents {
  /** A peer completed the handshake. */
  readonly peer: { readonly address: string; readonly peers: number };
  /** A peer's connection ended. */
  readonly peerLost: { readonly address: string; readonly peers: number };
  /**
   * Something was refused or lost: a bad frame, a message that does not fit the schema, a failed
   * handshake. A message refused at `send` is reported here too, since nobody may await its promise.
   */
  readonly error: BrokerlessError;
  /** A reliable sender's messages were rejected, or tried too often: they are dead letters now. */
  readonly deadLetter: MessageRange;
  /** A reliable sender's messages were given up to make room for newer ones. */
  readonly dropped: MessageRange;
  /**
   * A reliable receiver's right to messages was lost: the sender gives them to others, and what is said of
   * them does not count.
   */
  readonly leaseLost: MessageRange;
  /** A handler of a reliable receiver's `run` threw; its message will be tried again. */
  readonly retry: { readonly id: string; readonly attempt: number; readonly error: unknown };
}

/** Messages of one stream that follow each other. */
export interface MessageRange {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  readonly seqFirst: number;
  readonly seqLast: number;
}

/** Options of `ready`. */
export interface ReadyOptions extends WaitOptions {
  /** So many peers must have completed the handshake (count). Default 1. */
  readonly peers?: number | undefined;
}

/** Whether a socket takes messages, empties itself, or is gone. */
export type SocketStatus = "open" | "draining" | "closed";

/** What a role has of its own. */
export interface RoleTraits {
  /** Frames that ZeroMQ may hold for each peer (count). Default: by `batch`. */
  readonly peerFramesMax?: number;
  /** Frames of a message that its peers send, ids that ZeroMQ adds not counted (count). Default 1. */
  readonly partsMax?: number;
}

/** All that a gated publisher's peer may be subscribed to (bytes). */
const TOPIC_BYTES_MAX = 65_536;
/** Frames that ZeroMQ holds for each peer where a frame is a batch, so that memory stays bounded (count). */
const PEER_FRAMES_BATCHED = 64;
/** The same where a frame is one message: ZeroMQ's own default (count). */
const PEER_FRAMES_SINGLE = 1_000;
/** What a frame may have beside one message of the longest kind: its length field, or a batch (bytes). */
const FRAME_BYTES_SPARE = 2 ** 20;

/** The ways of a socket into the network: one native socket, or what takes its place. */
export interface Endpoints {
  /** Peers that have completed the handshake and are still there (count). */
  readonly peers: number;
  bind(address: Address): Promise<string>;
  connect(address: Address): void;
  unbind(address: string): Promise<void>;
  disconnect(address: string): void;
  close(): Promise<void>;
}

/** Makes the {@link Endpoints} of a socket that is more than one native socket. */
export type OpenEndpoints = (options: ChannelOptions) => Endpoints;

/**
 * What all eight roles share: addresses, life cycle, peers and events. Roles add how to send and receive.
 *
 * Life cycle: `open` -> `draining` -> `closed`; `drain` alone returns to `open`. An open socket keeps the
 * process alive, as a listening server does: close it, or declare it with `await using`.
 */
export abstract class TypedSocket<M extends SocketEvents = SocketEvents> {
  readonly #endpoints: Endpoints;
  protected readonly events: Events<M> = new Events<M>();
  readonly #common: ResolvedCommon;
  readonly #readies = new Set<() => void>();
  #draining = 0;
  #closing: Promise<void> | null = null;

  protected constructor(
    kind: NativeKind | OpenEndpoints,
    common: ResolvedCommon,
    traits: RoleTraits = {},
  ) {
    if (common.gate === true && typeof common.security === "object" && common.security !== null) {
      throw new TypeError(
        'option "gate": CURVE keeps strangers out by itself, and hides what a gate reads',
      );
    }
    this.#common = common;
    const batched = common.batch === false ? PEER_FRAMES_SINGLE : PEER_FRAMES_BATCHED;
    const options: ChannelOptions = {
      security: common.security,
      settings: {
        lingerMs: common.lingerMs,
        heartbeatMs: common.heartbeatMs,
        frameBytesMax: common.messageBytesMax + FRAME_BYTES_SPARE,
        peerFramesMax: common.peerFramesMax ?? traits.peerFramesMax ?? batched,
      },
      gate: common.gate,
      gateLimits: {
        partsMax: traits.partsMax ?? 1,
        messageBytesMax: common.messageBytesMax + FRAME_BYTES_SPARE,
        topicBytesMax: kind === "xpub" ? TOPIC_BYTES_MAX : 0,
      },
      listener: {
        onPeer: ({ type, address, peers }) => this.onPeerChange(type, address, peers),
        onProblem: (error) => this.report(error),
        onUnguarded: (error) => {
          this.report(error);
          void this.close();
        },
      },
    };
    this.#endpoints = typeof kind === "string" ? new Channel(kind, options) : kind(options);
  }

  /** `"draining"` while `drain` or the end of `await using` is under way. */
  get status(): SocketStatus {
    if (this.#closing !== null) return "closed";
    return this.#draining > 0 ? "draining" : "open";
  }

  /**
   * Accepts peers at an address: `tcp://127.0.0.1:5555`, `tcp://127.0.0.1:*`, `ipc:///path`, `inproc://name`.
   *
   * @returns the address with its wildcard resolved
   * @throws TypeError for a malformed address; BrokerlessError `BROKERLESS_ADDRESS` (in use, not ours),
   * `BROKERLESS_SECURITY` (neither loopback nor secured), `BROKERLESS_CLOSED`
   */
  async bind(address: string): Promise<string> {
    const checked = checkAddress(address, "bind", "bind: address");
    this.assertOpen();
    return await this.#endpoints.bind(checked);
  }

  /**
   * Connects to an address, at once or when a peer appears there, and again whenever the connection is
   * lost, with a growing, jittered pause.
   *
   * @throws TypeError for a malformed address; BrokerlessError `BROKERLESS_CLOSED`
   */
  connect(address: string): void {
    const checked = checkAddress(address, "connect", "connect: address");
    this.assertOpen();
    this.#endpoints.connect(checked);
  }

  /**
   * Stops accepting peers at an address that `bind` returned; those connected over it are cut off.
   *
   * @returns resolves when the address can be bound again
   * @throws BrokerlessError `BROKERLESS_ADDRESS` when it is not bound
   */
  async unbind(address: string): Promise<void> {
    this.assertOpen();
    await this.#endpoints.unbind(address);
  }

  /** @throws BrokerlessError `BROKERLESS_ADDRESS` when the socket is not connected there */
  disconnect(address: string): void {
    this.assertOpen();
    this.#endpoints.disconnect(address);
  }

  /**
   * Resolves when enough peers have completed the handshake. Right after an address was given up and connected
   * again, that may for a moment be the connection from before.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  ready(options?: ReadyOptions): Promise<void> {
    return quiet(this.#ready(options));
  }

  async #ready(options?: ReadyOptions): Promise<void> {
    const peers = options?.peers ?? 1;
    if (!Number.isInteger(peers) || peers < 0) {
      throw expected("ready: peers", "a whole number from 0", peers);
    }
    this.assertOpen();
    if (this.peers >= peers) return;
    await wait<void>(`ready with ${peers} peers`, options, ({ resolve, reject }) => {
      const check = (): void => {
        if (this.status === "closed") reject(closedError());
        else if (this.peers >= peers) resolve();
        else return;
        this.#readies.delete(check);
      };
      this.#readies.add(check);
      return () => {
        this.#readies.delete(check);
      };
    });
  }

  /**
   * Resolves when every message accepted before the call has reached its level: here, is with ZeroMQ,
   * which goes on delivering for `lingerMs` after `close`.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`; or the signal's reason
   */
  drain(options?: WaitOptions): Promise<void> {
    return quiet(this.#drain(options));
  }

  async #drain(options?: WaitOptions): Promise<void> {
    this.#draining += 1;
    try {
      await this.flushAll(options);
    } finally {
      this.#draining -= 1;
    }
  }

  /**
   * Closes now: iterations end, pending calls reject with `BROKERLESS_CLOSED`, messages not yet with
   * ZeroMQ are dropped. A second call waits for the first.
   *
   * @returns resolves when every bound address can be bound again
   */
  close(): Promise<void> {
    if (this.#closing === null) {
      this.#closing = this.#endpoints.close();
      this.stop();
      this.checkReady();
    }
    return this.#closing;
  }

  /**
   * Drains for at most `lingerMs`, then closes. What is left then is reported as an `error` event with
   * `BROKERLESS_TIMEOUT`.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.status === "closed") return this.close();
    try {
      await this.drain({ timeoutMs: this.#common.lingerMs });
    } catch (error) {
      this.report(error as BrokerlessError);
    }
    await this.close();
  }

  /** Counters and gauges, as a plain object. Cheap. */
  abstract stats(): SocketStats;

  /** @returns removes the listener again */
  on<K extends keyof M>(event: K, listener: Listener<M[K]>): () => void {
    return this.events.on(event, listener);
  }

  /** Peers that `ready` counts. */
  protected get peers(): number {
    return this.#endpoints.peers;
  }

  /** The native socket of a role that has one. */
  protected get channel(): Channel {
    return this.#endpoints as Channel;
  }

  /** Hands over what is queued; nothing for roles that only receive. */
  protected abstract flushAll(options: WaitOptions | undefined): Promise<void>;

  /** Ends what waits, when the socket closes. */
  protected abstract stop(): void;

  /** A connection came or went. */
  protected onPeerChange(type: "peer" | "peerLost", address: string, peers: number): void {
    this.reportPeers(type, address, peers);
  }

  protected reportPeers(type: "peer" | "peerLost", address: string, peers: number): void {
    this.events.emit(type, { address, peers } as M[typeof type]);
    this.checkReady();
  }

  protected report(error: BrokerlessError): void {
    this.events.emit("error", error as M["error"]);
  }

  /** ZeroMQ refused a frame that it should have taken. */
  protected reportFailure(cause: unknown): void {
    const message = `ZeroMQ refused a message: ${cause instanceof Error ? cause.message : cause}`;
    this.report(new BrokerlessError("BROKERLESS_PROTOCOL", message, { cause }));
  }

  /** Ends the `ready` calls whose number of peers has been reached. */
  protected checkReady(): void {
    for (const check of [...this.#readies]) check();
  }

  /** @throws BrokerlessError `BROKERLESS_CLOSED` */
  protected assertOpen(): void {
    if (this.#closing !== null) throw closedError();
  }
}
