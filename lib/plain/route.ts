import type { SendOptions } from "../core/send-options.ts";
import type { BrokerlessError } from "../errors.ts";
import { quiet } from "../wait.ts";
import { AddressedFrameSink } from "./frame-sink.ts";
import { Outbound, type OutboundOptions } from "./outbound.ts";

/** Dependencies of {@link Route}. */
export interface RouteOptions
  extends Pick<OutboundOptions<null>, "common" | "codec" | "schema" | "send"> {
  readonly id: Buffer;
  /** Called when messages were dropped because the peer is not connected (count). */
  readonly onUnroutable: (cause: unknown, count: number) => BrokerlessError;
  readonly onRefused: (error: BrokerlessError) => void;
}

/**
 * The send path of a ROUTER to one peer, with a queue and batches of its own, so that a stuck peer holds back no other
 * peer.
 */
export class Route {
  readonly outbound: Outbound<null>;
  #error: BrokerlessError | null = null;
  /** Settles when the first send has shown whether the peer is connected; null from then on. */
  #first: Promise<void> | null;
  #firstSettled: () => void = () => {};

  constructor(options: RouteOptions) {
    this.#first = new Promise((resolve) => {
      this.#firstSettled = resolve;
    });
    this.outbound = new Outbound<null>({
      common: options.common,
      codec: options.codec,
      schema: options.schema,
      send: async (message) => {
        try {
          await options.send(message);
        } finally {
          this.#first = null;
          this.#firstSettled();
        }
      },
      sink: (writer) =>
        new AddressedFrameSink(writer, {
          peers: () => 1,
          address: (frame) => [options.id, frame],
        }),
      firstKey: null,
      onFailed: (cause, count) => {
        this.#error = options.onUnroutable(cause, count);
      },
      onRefused: options.onRefused,
    });
  }

  /** Whether the route can be discarded and created again later: nothing waits in it. */
  get idle(): boolean {
    const { queuedMessages, waitingSends } = this.outbound.stats();
    const waits = queuedMessages > 0 || waitingSends > 0 || this.outbound.isChecking;
    return !waits && this.#first === null;
  }

  /** Sends a message. Until the first send has shown whether the peer is connected, waits for that. */
  send(value: unknown, options: SendOptions | undefined): Promise<void> {
    const accepted = this.outbound.send(value, null, options);
    return this.#first === null ? accepted : quiet(this.#sendFirst(accepted));
  }

  async #sendFirst(accepted: Promise<void>): Promise<void> {
    await accepted;
    await this.#first;
    // The writer reports a failure one microtask after it has happened.
    await null;
    if (this.#error !== null) throw this.#error;
  }
}
