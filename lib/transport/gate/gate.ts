import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { BrokerlessError } from "../../errors.ts";
import { peerLabel } from "../../peer-text.ts";
import { ConnectionRefusals } from "../monitor/connection-refusals.ts";
import { type Descriptors, processDescriptors } from "../native/descriptors.ts";
import { awaitAccept } from "./await-accept.ts";
import { type GateLimits, type GateMechanism, GateReader, TopicBudget } from "./gate-reader.ts";

/** The listening address of a {@link Gate}. */
export type GatePlace =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** Number of peers that may use their full subscription limit at the same time (count). */
const PEERS_SUBSCRIBED_MAX = 16;

/** Dependencies of {@link Gate}. */
export interface GateOptions {
  readonly place: GatePlace;
  /** The unix socket to which libzmq is bound, in a directory that no other account may enter. */
  readonly path: string;
  readonly limits: GateLimits;
  readonly mechanism: GateMechanism;
  /** Time until READY must arrive (milliseconds). */
  readonly handshakeMsMax: number;
  /**
   * Silence after which the system probes whether a peer's machine is alive (milliseconds); 0:
   * never.
   */
  readonly heartbeatMs: number;
  /** Routing ids in use at the gates of one ROUTER, in latin1; null where peers have none. */
  readonly identities: Set<string> | null;
  /** Connections were refused, or cut off: called for each, or for many. */
  readonly onRefused: (error: BrokerlessError) => void;
  readonly descriptors?: Descriptors;
}

/** Descriptors of a connection: its own, and both ends of the one to libzmq (count). */
const DESCRIPTORS = 3;
/**
 * Bytes from a server in the CURVE handshake before READY: its greeting, and WELCOME with its
 * header.
 */
const CURVE_SERVER_BYTES = 64 + 2 + 168;

/**
 * A proxy in front of a socket of libzmq, which parses the bytes of each connection and ends one
 * that exceeds a limit that libzmq does not have.
 *
 * Bytes pass unchanged and in order; a side that does not read slows down the other. The cost is
 * one copy within the kernel in each direction, and no promise, timer or allocation for each
 * message.
 *
 * @see docs/decisions/0004-security.md
 */
export class Gate {
  readonly #server: Server;
  readonly #options: GateOptions;
  readonly #descriptors: Descriptors;
  readonly #refusals: ConnectionRefusals;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #topics: TopicBudget;
  #closed = false;
  /** Called when the last connection has ended, after {@link close}. */
  #onEnded: () => void = () => {};

  private constructor(options: GateOptions) {
    this.#options = options;
    this.#descriptors = options.descriptors ?? processDescriptors();
    this.#refusals = new ConnectionRefusals(options.onRefused);
    const keepAlive = {
      keepAlive: options.heartbeatMs > 0,
      keepAliveInitialDelay: Math.max(1_000, options.heartbeatMs),
    };
    this.#topics = new TopicBudget(options.limits.topicBytesMax * PEERS_SUBSCRIBED_MAX);
    this.#server = createServer({ noDelay: true, ...keepAlive }, (peer) => this.#accept(peer));
  }

  /** @throws the error of the system when it cannot listen */
  static async open(options: GateOptions): Promise<Gate> {
    const gate = new Gate(options);
    gate.#server.listen(options.place);
    await once(gate.#server, "listening");
    // Without free descriptors, each accept is retried; waiting connections are accepted later.
    gate.#server.on("error", () => {});
    return gate;
  }

  /** The address of a tcp gate, with its port. */
  get address(): string {
    const { address, port, family } = this.#server.address() as {
      readonly address: string;
      readonly port: number;
      readonly family: string;
    };
    return family === "IPv6" ? `tcp://[${address}]:${port}` : `tcp://${address}:${port}`;
  }

  /** Connections refused or cut off (count). */
  get refused(): number {
    return this.#refusals.count;
  }

  /** Current connections (count). */
  get peers(): number {
    return this.#pairs.size;
  }

  /**
   * Accepts nobody any more, and takes nothing more from those who are connected: what libzmq still writes goes to
   * them. Resolves when the address can be bound again.
   *
   * @param lingerMs time after which the connections that are left are cut off (milliseconds)
   */
  async close(lingerMs: number): Promise<void> {
    this.#closed = true;
    this.#server.close();
    const timer = setTimeout(() => this.#cutOff(), lingerMs);
    this.#onEnded = () => clearTimeout(timer);
    if (this.#pairs.size === 0) this.#onEnded();
    // The handle has been closed; the server's own event waits for all connections.
    await new Promise(setImmediate);
  }

  /** Resolves when no connection is left, after {@link close}. */
  async ended(): Promise<void> {
    if (this.#pairs.size === 0) return;
    const onEnded = this.#onEnded;
    await new Promise<void>((resolve) => {
      this.#onEnded = () => {
        onEnded();
        resolve();
      };
    });
  }

  #cutOff(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #accept(peer: Socket): void {
    peer.on("error", () => {});
    const { connectionsMax } = this.#options.limits;
    if (this.#pairs.size >= connectionsMax) {
      this.#refuse(peer, `more than ${connectionsMax} connections (connectionsMax)`);
      return;
    }
    // One of them is open already.
    const opened = this.#descriptors.take(DESCRIPTORS - 1);
    if (opened !== null) this.#connect(peer, opened);
    else this.#refuse(peer, `too few of ${this.#descriptors.max} file descriptors are left`);
  }

  /** @param opened to be called when libzmq has accepted, or will not */
  #connect(peer: Socket, opened: () => void): void {
    const { path, limits, mechanism, handshakeMsMax } = this.#options;
    const inner = connect(path);
    inner.on("error", () => {});
    if (this.#descriptors.isScarce && awaitAccept(inner)) opened();
    const pair = [peer, inner] as const;
    const reader = new GateReader(limits, this.#topics, mechanism);
    let identity: string | null = null;
    let isRefused = false;
    const refuse = (reason: string): void => {
      isRefused = true;
      this.#refuse(peer, reason, reader.name);
    };
    const timer = setTimeout(() => {
      if (!reader.handshaken) refuse("no handshake");
    }, handshakeMsMax);
    this.#pairs.add(pair);
    const onClosed = (): void => {
      opened();
      clearTimeout(timer);
      if (pair.some((each) => !each.closed)) return;
      this.#pairs.delete(pair);
      reader.end();
      if (identity !== null) this.#options.identities?.delete(identity);
      if (this.#closed && this.#pairs.size === 0) this.#onEnded();
    };
    // What one side wrote before its end reaches the other; of a peer that was cut off nothing more is passed on.
    peer.on("close", (isCut) => {
      if (isCut || isRefused) inner.destroy();
      else inner.destroySoon();
      onClosed();
    });
    inner.on("close", () => {
      peer.destroySoon();
      onClosed();
    });
    pass(peer, inner, (bytes) => {
      if (this.#closed) return false;
      const wasHandshaken = reader.handshaken;
      let refusal = reader.read(bytes);
      if (!wasHandshaken && reader.handshaken && refusal === null) {
        if (this.#isTaken(reader.identity)) refusal = "a routing id that another peer has";
        else identity = reader.identity;
      }
      if (refusal !== null) refuse(refusal);
      return refusal === null;
    });
    inner.once("data", opened);
    let sentBytes = 0;
    pass(inner, peer, (bytes) => {
      if (reader.handshaken) return true;
      sentBytes += bytes.length;
      if (sentBytes > CURVE_SERVER_BYTES) reader.admitted();
      return true;
    });
  }

  /**
   * Reserves a routing id. @returns true where another connection has it: libzmq would silently
   * drop the messages of the second one
   */
  #isTaken(identity: string | null): boolean {
    const { identities } = this.#options;
    if (identity === null || identities === null) return false;
    if (identities.has(identity)) return true;
    identities.add(identity);
    return false;
  }

  #refuse(peer: Socket, reason: string, name: string | null = null): void {
    const { remoteAddress, remotePort } = peer;
    const isLocal = remoteAddress === undefined;
    if (isLocal) peer.destroy();
    else peer.resetAndDestroy();
    const address = isLocal ? "a local peer" : `${remoteAddress}:${remotePort}`;
    this.#refusals.add(`${peerLabel({ name, address })}: ${reason}`);
  }
}

function pass(from: Socket, to: Socket, allowed: (bytes: Buffer) => boolean): void {
  to.on("drain", () => from.resume());
  from.on("data", (bytes: Buffer) => {
    if (from.destroyed || !allowed(bytes)) return;
    if (!to.write(bytes)) from.pause();
  });
  from.on("end", () => to.end());
}
