import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { python } from "./python.ts";

/** The scripts in peers/, one for each native socket type. */
export type PeerKind = "push" | "pull" | "pub" | "sub" | "req" | "rep" | "router" | "dealer";

/** How a Python peer is set up. */
export interface PeerConfig {
  readonly codec: "msgpack" | "json" | "raw";
  /** Whether frames hold many values. */
  readonly batch: boolean;
  readonly bind?: string;
  readonly connect?: string;
  /** Socket options by their name in pyzmq. */
  readonly options?: Readonly<Record<string, number>>;
  /** What a SUB subscribes to. */
  readonly prefixes?: readonly string[];
}

/** What a Python peer reports; which of it, depends on the command. */
export interface PeerReport {
  readonly address?: string;
  readonly values?: readonly unknown[];
  /** Of received values: how many each frame held. Of sent ones: the number of frames. */
  readonly frames?: readonly number[] | number;
  /** For each value, what stood around its frame: a topic, or a peer's id. */
  readonly around?: readonly unknown[];
  readonly request?: unknown;
  readonly reply?: unknown;
  readonly error?: unknown;
}

/** A plain ZeroMQ socket in a Python process, driven over JSON lines. */
export class PythonPeer {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  #stderr = "";
  #address = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! });
    this.#lines.on("line", (line) => this.#waiting.shift()?.resolve(line));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    child.on("close", () => {
      const error = new Error(`the Python peer has ended: ${this.#stderr.trim()}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  /** Starts a peer and waits until it is bound or connecting; it ends with the test. */
  static async start(t: TestContext, kind: PeerKind, config: PeerConfig): Promise<PythonPeer> {
    assert.ok(
      "path" in python,
      `Python with pyzmq and msgpack is needed here; ${"missing" in python && python.missing}`,
    );
    const script = fileURLToPath(new URL(`./peers/${kind}.py`, import.meta.url));
    const child = spawn(python.path, ["-B", script, JSON.stringify(config)]);
    t.after(() => child.kill("SIGKILL"));
    const peer = new PythonPeer(child);
    peer.#address = (await peer.#report()).address!;
    return peer;
  }

  /** Where it is bound, or connects to. */
  get address(): string {
    return this.#address;
  }

  /** Tells the peer one thing to do; it reports when it is done. */
  async tell(command: {
    readonly do: string;
    readonly [key: string]: unknown;
  }): Promise<PeerReport> {
    this.#child.stdin!.write(`${JSON.stringify(toLine(command))}\n`);
    return this.#report();
  }

  /** Lets the peer end by itself, with all that it has sent delivered. */
  async end(): Promise<void> {
    const closed = once(this.#child, "close");
    this.#child.stdin!.end();
    const [code] = await closed;
    assert.equal(code, 0, this.#stderr);
  }

  async #report(): Promise<PeerReport> {
    const line = await new Promise<string>((resolve, reject) => {
      if (this.#child.exitCode !== null)
        reject(new Error(`the Python peer has ended: ${this.#stderr}`));
      this.#waiting.push({ resolve, reject });
    });
    return fromLine(JSON.parse(line)) as PeerReport;
  }
}

/** JSON has no bytes: they travel as `{ $bytes: base64 }`. */
function toLine(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(toLine);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toLine(item)]));
}

function fromLine(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromLine);
  if (typeof value !== "object" || value === null) return value;
  if ("$bytes" in value) return Buffer.from(String(value.$bytes), "base64");
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromLine(item)]));
}
