import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { BrokerlessError } from "../../lib/errors.ts";
import { type GateLimits, GateReader } from "./gate-reader.ts";

/** What a {@link Gate} is made of. */
export interface GateOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** The unix socket that libzmq is bound to, in a directory that nobody else may enter. */
  readonly path: string;
  readonly limits: GateLimits;
  /** Connections at the same time (count). */
  readonly peersMax: number;
  /** Until READY has come (milliseconds). */
  readonly handshakeMsMax: number;
  /** A connection was refused, or cut off. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/**
 * Stands before a socket of libzmq, reads along, and cuts off who exceeds a limit that libzmq has not.
 *
 * Bytes pass unchanged and in order; a side that does not read holds back the other. It costs one copy
 * within the kernel each way, and no promise, timer or allocation for each message.
 *
 * @see docs/decisions/0004-security.md
 */
export class Gate {
  readonly #server: Server;
  readonly #options: GateOptions;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #refused = 0;

  private constructor(options: GateOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (peer) => this.#accept(peer));
  }

  /** @throws the error of the system when it cannot listen */
  static async open(options: GateOptions): Promise<Gate> {
    const gate = new Gate(options);
    gate.#server.listen(options.port, options.host);
    await once(gate.#server, "listening");
    return gate;
  }

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
    return this.#refused;
  }

  /** Connections that pass now (count). */
  get peers(): number {
    return this.#pairs.size;
  }

  /** Cuts off everybody; resolves when the address can be bound again. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    await closed;
  }

  #accept(peer: Socket): void {
    const from = `${peer.remoteAddress}:${peer.remotePort}`;
    if (this.#pairs.size >= this.#options.peersMax) {
      peer.on("error", () => {});
      this.#refuse(peer, `${from}: more than ${this.#options.peersMax} connections`);
      return;
    }
    const inner = connect(this.#options.path);
    const pair = [peer, inner] as const;
    const reader = new GateReader(this.#options.limits);
    const timer = setTimeout(() => {
      if (!reader.handshaken) this.#refuse(peer, `${from}: no handshake`);
    }, this.#options.handshakeMsMax);
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        clearTimeout(timer);
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    pass(peer, inner, (bytes) => {
      const refusal = reader.read(bytes);
      if (refusal !== null) this.#refuse(peer, `${from}: ${refusal}`);
      return refusal === null;
    });
    pass(inner, peer, () => true);
  }

  #refuse(peer: Socket, reason: string): void {
    this.#refused += 1;
    peer.resetAndDestroy();
    this.#options.onRefused(new BrokerlessError("BROKERLESS_PROTOCOL", `refused ${reason}`));
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
