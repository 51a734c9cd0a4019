import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of the bytes that pass. May be changed while they do. */
export interface Faults {
  /** Holds every chunk back for so long (milliseconds). */
  delayMs: number;
  /** Lets nothing pass; what came is kept, and TCP's own back-pressure reaches the sender. */
  stalled: boolean;
  /** Passes one byte at a time. */
  split: boolean;
  /** Inverts every n-th byte in one direction; 0 for none. */
  corruptEvery: number;
  corruptTowards: "server" | "client";
}

/**
 * A TCP proxy that misbehaves as told: between a socket and its peer, both of them honest.
 *
 * Faults apply to both directions, but for corruption.
 */
export class TcpProxy {
  readonly faults: Faults = {
    delayMs: 0,
    stalled: false,
    split: false,
    corruptEvery: 0,
    corruptTowards: "server",
  };
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #wake: (() => void)[] = [];
  /** Bytes that were inverted (count). */
  corrupted = 0;

  private constructor(target: string) {
    const { hostname, port } = new URL(target);
    this.#target = { host: hostname, port: Number(port) };
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @param target where to pass things on, `tcp://host:port` */
  static async to(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** Where to connect instead. */
  get address(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Connections that pass through now (count). */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Directions in which something is stalled (count). */
  get held(): number {
    return this.#wake.length;
  }

  /** Lets pass again what was stalled. */
  resume(): void {
    this.faults.stalled = false;
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Ends the client's direction of every connection, and leaves the other one open. */
  halfClose(): void {
    for (const [, server] of this.#pairs) server.end();
  }

  /** Hangs up on both sides with a RST. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.resume();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
    void this.#pass(client, server, "server");
    void this.#pass(server, client, "client");
  }

  async #pass(from: Socket, to: Socket, towards: Faults["corruptTowards"]): Promise<void> {
    let passed = 0;
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        const { delayMs, split, corruptEvery, corruptTowards } = this.faults;
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
        while (this.faults.stalled) await new Promise<void>((resolve) => this.#wake.push(resolve));
        if (corruptEvery > 0 && towards === corruptTowards) {
          this.corrupted += corrupt(chunk, corruptEvery, passed);
        }
        passed += chunk.length;
        const pieces = split ? Array.from(chunk, (byte) => Buffer.of(byte)) : [chunk];
        for (const piece of pieces) await write(to, piece);
      }
      if (!to.destroyed) to.end();
    } catch {
      // One of the two hung up; `close` has put both away.
    }
  }
}

/** @returns bytes that were inverted (count) */
function corrupt(chunk: Buffer, every: number, passed: number): number {
  let count = 0;
  for (let at = every - 1 - (passed % every); at < chunk.length; at += every) {
    chunk[at] = ~(chunk[at] as number) & 0xff;
    count += 1;
  }
  return count;
}

function write(to: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
