import { type Context, Router } from "zeromq";
import { forgetChannel, rememberChannel } from "../native/channel-registry.ts";
import { encodeReply, parseRequest } from "./zap-request.ts";

/** Where libzmq looks for a handler, in the context of the socket that is asked for. */
export const ZAP_ENDPOINT = "inproc://zeromq.zap.01";

/**
 * An admitted client waits so long (milliseconds). libzmq takes the id in an answer only if it has begun to wait for it,
 * and the kernel likes to run who is woken before who wakes: an answer at once may come too soon.
 *
 * @see docs/decisions/0009-assertions.md
 */
const ADMITTED_MS = 10;

/** Whom the handler asks, and whom it tells of its end. */
export interface ZapHandlerPort {
  /** Decides over the client with this key (32 bytes) in this domain. May be slow; may throw. */
  decide(domain: string, clientKey: Uint8Array): Promise<boolean>;
  /** The handler has stopped without being closed; nobody is admitted from here on. */
  lost(cause: unknown): void;
}

/**
 * Answers the questions of libzmq about who may come in (ZeroMQ RFC 27).
 *
 * A ROUTER rather than a REP, so that a slow decision holds up nobody else. Every request gets an answer,
 * 200 or 400; no request makes it throw. It holds the process alive until closed.
 */
export class ZapHandler {
  readonly #socket: Router;
  readonly #port: ZapHandlerPort;
  #closed = false;

  /** @throws the error of libzmq when another handler has the endpoint of this context */
  constructor(context: Context, port: ZapHandlerPort) {
    this.#port = port;
    this.#socket = new Router({ context });
    try {
      this.#socket.linger = 0;
      // Each send settles at once; otherwise one that waits would make the next throw EBUSY.
      this.#socket.sendTimeout = 0;
      this.#socket.bindSync(ZAP_ENDPOINT);
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    rememberChannel(this);
    void this.#run();
  }

  /** Stops at once. The endpoint is free again when it returns. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    forgetChannel(this);
    // Closing frees the endpoint only later, in libzmq's reaper thread. disconnect() is the same call as
    // unbind() for libzmq, and unlike that it is synchronous.
    if (!this.#socket.closed) this.#socket.disconnect(ZAP_ENDPOINT);
    this.#socket.close();
  }

  /** The same, for a thread that ends. */
  closeNow(): void {
    this.close();
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed) void this.#answer(await this.#socket.receive());
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#port.lost(error);
    }
  }

  async #answer(frames: readonly Buffer[]): Promise<void> {
    const admitted = await this.#decide(frames);
    if (admitted) await new Promise((resolve) => setTimeout(resolve, ADMITTED_MS));
    if (this.#closed) return;
    try {
      await this.#socket.send(encodeReply(frames, admitted));
    } catch {
      // The asker has gone meanwhile. No answer is a refusal too: its handshake times out.
    }
  }

  async #decide(frames: readonly Buffer[]): Promise<boolean> {
    try {
      const request = parseRequest(frames);
      return request !== null && (await this.#port.decide(request.domain, request.clientKey));
    } catch {
      return false;
    }
  }
}
