import { type Context, Router } from "zeromq";
import { forgetChannel, rememberChannel } from "../native/channel-registry.ts";
import { bindTo, disconnectFrom } from "../native/errno.ts";
import { encodeReply, parseRequest } from "./zap-request.ts";

/** The endpoint where libzmq expects a ZAP handler, in the context of the socket. */
export const ZAP_ENDPOINT = "inproc://zeromq.zap.01";

/**
 * Delay of an admission (milliseconds). libzmq reads the id in a reply only if it has started to
 * wait for it, and the kernel tends to run the woken thread first: an immediate reply may come too
 * early.
 *
 * @see docs/decisions/0009-assertions.md
 */
const ADMITTED_MS = 10;

/** The policy of the handler, and the listener for its end. */
export interface ZapHandlerPort {
  /** Decides on the client with this key (32 bytes) in this domain. May be slow; may throw. */
  decide(domain: string, clientKey: Uint8Array): Promise<boolean>;
  /** The handler has stopped without being closed; nobody is admitted from here on. */
  lost(cause: unknown): void;
}

/**
 * Replies to libzmq's requests for admission of clients (ZeroMQ RFC 27).
 *
 * A ROUTER rather than a REP, so that a slow decision delays nobody else. Every request gets a
 * reply, 200 or 400; no request makes it throw. It keeps the process alive until closed.
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
      // Each send settles at once; otherwise a waiting one would make the next throw EBUSY.
      this.#socket.sendTimeout = 0;
      bindTo(this.#socket, ZAP_ENDPOINT);
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
    // Closing frees the endpoint only later, in libzmq's reaper thread. disconnect() is the same
    // call as unbind() for libzmq, but synchronous.
    if (!this.#socket.closed) disconnectFrom(this.#socket, ZAP_ENDPOINT);
    this.#socket.close();
  }

  /** Like `close`, for a thread that ends. */
  closeNow(): void {
    this.close();
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed) void this.#reply(await this.#socket.receive());
    } catch (error) {
      if (this.#closed) return;
      this.close();
      this.#port.lost(error);
    }
  }

  async #reply(frames: readonly Buffer[]): Promise<void> {
    const admitted = await this.#decide(frames);
    if (admitted) await new Promise((resolve) => setTimeout(resolve, ADMITTED_MS));
    if (this.#closed) return;
    try {
      await this.#socket.send(encodeReply(frames, admitted));
    } catch {
      // The requester has gone. No reply is a refusal too: its handshake times out.
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
