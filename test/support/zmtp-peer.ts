import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import {
  FrameReader,
  GREETING_BYTES,
  type GreetingOptions,
  greeting,
  pong,
  property,
  ready,
} from "./zmtp-frames.ts";

/** What a peer says of itself. */
export interface PeerOptions extends GreetingOptions {
  /** `PUSH`, `SUB`, ... */
  readonly socketType: string;
  readonly identity?: string;
}

/**
 * A peer that speaks ZMTP over a socket of its own, without libzmq: well-behaved unless told otherwise.
 *
 * It answers PING; everything else it leaves to the caller. Bytes are written as given.
 */
export class ZmtpPeer {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #commands: Buffer[] = [];
  readonly #messages: Buffer[][] = [];
  #parts: Buffer[] = [];
  #greeted = 0;
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // The other side hangs up on us as it likes; `closed` says so.
    socket.on("error", () => {});
    socket.on("close", () => this.#woken());
    socket.on("data", (bytes) => this.#read(bytes));
  }

  /** Connects to `tcp://host:port` and says nothing yet. */
  static async connect(address: string): Promise<ZmtpPeer> {
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ""));
    await once(socket, "connect");
    return new ZmtpPeer(socket);
  }

  /** Connects and completes the handshake of the NULL mechanism. */
  static async join(address: string, options: PeerOptions): Promise<ZmtpPeer> {
    const peer = await ZmtpPeer.connect(address);
    await peer.handshake(options);
    return peer;
  }

  /** Whether the connection is over, from whichever side. */
  get closed(): boolean {
    return this.#socket.destroyed || this.#socket.readableEnded;
  }

  /**
   * Greets, says READY, and waits for READY.
   *
   * @throws Error when the other side hangs up instead
   */
  async handshake(options: PeerOptions): Promise<void> {
    const identity = options.identity === undefined ? [] : [property("Identity", options.identity)];
    await this.write(Buffer.concat([greeting(options), ready(options.socketType, ...identity)]));
    const answer = await this.#next(this.#commands);
    if (!answer?.subarray(1).toString("latin1").startsWith("READY")) {
      throw new Error(
        `no READY but ${answer === null ? "the end" : JSON.stringify(String(answer))}`,
      );
    }
  }

  /**
   * Writes and waits until the system has taken it.
   *
   * @returns false when the connection is over
   */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.#socket.destroyed) return false;
    return await new Promise((resolve) => {
      this.#socket.write(bytes, (error) => resolve(error == null));
    });
  }

  /** Writes one byte at a time, each in a segment of its own. */
  async writeSplit(bytes: Uint8Array): Promise<boolean> {
    for (let at = 0; at < bytes.length; at++) {
      if (!(await this.write(bytes.subarray(at, at + 1)))) return false;
    }
    return true;
  }

  /** The next message; null when the connection is over. */
  receive(): Promise<Buffer[] | null> {
    return this.#next(this.#messages);
  }

  /** The next command other than PING, READY included; null when the connection is over. */
  receiveCommand(): Promise<Buffer | null> {
    return this.#next(this.#commands);
  }

  /** Resolves when the other side's greeting is there, or the connection is over. */
  async greeted(): Promise<void> {
    while (this.#greeted < GREETING_BYTES && !this.closed) await this.#wait();
  }

  /** Resolves when the connection is over. */
  async ended(): Promise<void> {
    while (!this.closed) await this.#wait();
  }

  /** Reads nothing more of what comes, until {@link resume}. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says goodbye as TCP does. */
  end(): void {
    this.#socket.end();
  }

  /** Hangs up with a RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    const greeted = Math.min(GREETING_BYTES - this.#greeted, bytes.length);
    this.#greeted += greeted;
    for (const frame of this.#reader.push(bytes.subarray(greeted))) {
      const isPing = frame.command && frame.body.subarray(0, 5).toString("latin1") === "\x04PING";
      if (isPing) void this.write(pong(frame.body.subarray(7)));
      else if (frame.command) this.#commands.push(frame.body);
      else {
        this.#parts.push(frame.body);
        if (frame.more) continue;
        this.#messages.push(this.#parts);
        this.#parts = [];
      }
    }
    this.#woken();
  }

  async #next<T>(queue: T[]): Promise<T | null> {
    while (queue.length === 0 && !this.closed) await this.#wait();
    return queue.shift() ?? null;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      this.#wake = () => {
        before?.();
        resolve();
      };
    });
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}

/** Waits for peers that connect to us, and hands each to `serve` before a byte has been exchanged. */
export async function listenZmtp(
  serve: (peer: ZmtpPeer, count: number) => void,
  port = 0,
): Promise<{ readonly address: string; readonly server: Server; close(): Promise<void> }> {
  let count = 0;
  const peers = new Set<Socket>();
  const server = createServer((socket) => {
    peers.add(socket);
    socket.on("close", () => peers.delete(socket));
    serve(new ZmtpPeer(socket), ++count);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address() as { port: number };
  return {
    address: `tcp://127.0.0.1:${bound.port}`,
    server,
    close: async () => {
      for (const peer of peers) peer.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
