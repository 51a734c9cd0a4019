import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { BrokerlessError } from "../errors.ts";
import { Gate } from "./gate.ts";
import type { GateLimits } from "./gate-reader.ts";

/** What a {@link GatedListener} is made of. */
export interface GatedListenerOptions {
  /** Where peers come in: `tcp://HOST:PORT`, checked. */
  readonly address: string;
  /** Binds the native socket to an ipc address. */
  readonly bindInner: (address: string) => void;
  readonly limits: GateLimits;
  /** A connection was refused, or cut off. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** Connections at the same time (count). */
const PEERS_MAX = 1_024;
/** Time for a handshake; libzmq gives no more itself (milliseconds). */
const HANDSHAKE_MS_MAX = 2_000;

/**
 * A tcp address with a {@link Gate} on it, and the native socket behind that on a unix socket in a
 * directory that nobody else may enter.
 *
 * @see docs/decisions/0004-security.md
 */
export class GatedListener {
  /** The address with its wildcard resolved. */
  readonly address: string;
  /** What the native socket is bound to, and calls this in its events. */
  readonly inner: string;
  readonly #gate: Gate;
  readonly #directory: string;

  private constructor(gate: Gate, directory: string, inner: string) {
    this.#gate = gate;
    this.#directory = directory;
    this.inner = inner;
    this.address = gate.address;
  }

  /** @throws the error of the system, or of `bindInner`; nothing is left behind then */
  static async open(options: GatedListenerOptions): Promise<GatedListener> {
    const { host, port } = hostAndPort(options.address);
    const directory = await mkdtemp(join(tmpdir(), "brokerless-gate-"));
    try {
      const path = join(directory, "inner");
      options.bindInner(`ipc://${path}`);
      const gate = await Gate.open({
        host,
        port,
        path,
        limits: options.limits,
        peersMax: PEERS_MAX,
        handshakeMsMax: HANDSHAKE_MS_MAX,
        onRefused: options.onRefused,
      });
      return new GatedListener(gate, directory, `ipc://${path}`);
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Cuts off everybody; resolves when the address can be bound again. */
  async close(): Promise<void> {
    await this.#gate.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Node listens on hosts; libzmq also takes `*` and the name of an interface. */
function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const name = address.slice("tcp://".length, colon).replace(/^\[|\]$/g, "");
  const port = address.slice(colon + 1);
  const ofInterface = networkInterfaces()[name]?.find(({ family }) => family === "IPv4")?.address;
  return {
    host: name === "*" ? "0.0.0.0" : (ofInterface ?? name),
    port: port === "*" ? 0 : Number(port),
  };
}
