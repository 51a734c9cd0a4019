import { createFraming } from "../batch/framing/create-framing.ts";
import type { Framing } from "../batch/framing/framing.ts";
import {
  type FrameHeaderLimits,
  type MessageHeaders,
  NO_HEADERS,
  splitHeaders,
} from "../batch/headers.ts";
import type { Codec } from "../codec/codec.ts";
import { type Received, ReceiveQueue } from "../core/queue/receive-queue.ts";
import { filterIncoming, type Schema } from "../core/schema.ts";
import { frameHeaderLimits, framingOptions, type ResolvedCommon } from "../core/socket-options.ts";
import { STRAY_FIRST_BYTE, type Stray, strayOf } from "../delivery/protocol/stray.ts";
import { BrokerlessError } from "../errors.ts";
import type { FrameOrder } from "./round/order-frame.ts";
import type { ReceivedFrame } from "./round/round-reader.ts";

/** A received message taken apart: the body, and how its values are wrapped. */
export interface Envelope<V> {
  readonly body: Buffer;
  /** The headers frame after the body; null where there is none. */
  readonly headers: Buffer | null;
  /** Adds to each value the parts around the body, such as its topic; null where there are none. */
  readonly wrap: ((value: unknown, headers: MessageHeaders) => V) | null;
  /** The topic of the frame, where frames have one. */
  readonly topic?: string | null;
  /** The place of the frame among those of its sender; absent or null where frames are in order. */
  order?: FrameOrder | null;
}

/** Dependencies of {@link Inbound}. */
export interface InboundOptions<V> {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly receive: () => Promise<Buffer[]>;
  /**
   * Takes a message apart.
   *
   * @returns null when the message is not for this socket, and is skipped silently
   * @throws BrokerlessError `BROKERLESS_PROTOCOL` when it does not have the parts that the role expects
   */
  readonly open: (parts: Buffer[]) => Envelope<V> | null;
  readonly onRefused: (error: BrokerlessError) => void;
  /** Restores the order of frames. Default: they are in order. */
  readonly reorder?: (read: () => Promise<ReceivedFrame<V>>) => Promise<Received<V>>;
  /**
   * Sends a reliable peer a refusal, where the socket can send to it: it is connected to a plain socket. Never throws.
   */
  readonly onStray?: (parts: readonly Buffer[], refusal: Buffer) => void;
}

/** The result of a refused frame. */
const NOTHING: ReceivedFrame<never> = Object.freeze({
  values: [],
  headers: null,
  order: null,
  topic: null,
  indexes: null,
  count: 0,
  bytes: 0,
});

/** Counters of an {@link Inbound}. */
export interface InboundStats {
  readonly messagesReceived: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesRefused: number;
  readonly messagesRefused: number;
}

/**
 * The receive path of a socket, in order: transport, envelope, batch, codec, schema, receive queue.
 *
 * A frame that cannot be decoded is counted, reported and skipped as a whole; a value that does not fit the schema is
 * skipped alone.
 */
export class Inbound<V> {
  /** The queue in which values wait for consumers. */
  readonly inbox: ReceiveQueue<V>;
  /** Reads the values of a frame or a round, for a role with a queue of its own; then nobody may use `inbox`. */
  readonly read: () => Promise<Received<V>>;
  readonly #options: InboundOptions<V>;
  readonly #framing: Framing<unknown>;
  readonly #limits: FrameHeaderLimits;
  /**
   * Whether the messages of reliable peers can be told from values: not with a codec for which any bytes are a value.
   */
  readonly #seesStrays: boolean;
  #messages = 0;
  #frames = 0;
  #bytes = 0;
  #framesRefused = 0;
  #messagesRefused = 0;

  constructor(options: InboundOptions<V>) {
    this.#options = options;
    this.#framing = createFraming(options.codec, framingOptions(options.common));
    this.#limits = frameHeaderLimits(options.common);
    const { codec, common } = options;
    this.#seesStrays = codec.delimiter !== "length" || common.batch !== false;
    const { reorder } = options;
    const read = () => this.#read();
    this.read = reorder === undefined ? read : () => reorder(read);
    this.inbox = new ReceiveQueue(this.read);
  }

  /** Bytes of the frames received and accepted. */
  get bytes(): number {
    return this.#bytes;
  }

  stats(): InboundStats {
    return {
      messagesReceived: this.#messages,
      framesReceived: this.#frames,
      bytesReceived: this.#bytes,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
    };
  }

  async #read(): Promise<ReceivedFrame<V>> {
    const parts = await this.#options.receive();
    let envelope: Envelope<V> | null = null;
    let values: unknown[];
    let headers: MessageHeaders[] | null = null;
    try {
      envelope = this.#options.open(parts);
      if (envelope === null) return NOTHING;
      const { body } = envelope;
      if (body[0] === STRAY_FIRST_BYTE && this.#seesStrays) this.#refuseStray(parts, body);
      values = this.#framing.decode(body);
      envelope.order?.checkCount(values.length);
      if (envelope.headers !== null) {
        headers = splitHeaders(envelope.headers, values.length, this.#limits);
      }
    } catch (error) {
      if (!(error instanceof BrokerlessError)) throw error;
      this.#framesRefused += 1;
      this.#options.onRefused(error);
      if (envelope === null) return NOTHING;
      const { order = null, topic = null } = envelope;
      return { ...NOTHING, order, topic, count: null };
    }
    const { body, wrap, order = null, topic = null } = envelope;
    this.#frames += 1;
    const bytes = body.length + (envelope.headers?.length ?? 0);
    this.#bytes += bytes;
    const { schema } = this.#options;
    const count = values.length;
    let indexes: number[] | null = null;
    if (schema !== null && (headers !== null || order !== null)) {
      ({ values, indexes } = await this.#fitting(schema, values));
      const all = headers;
      headers = all && indexes.map((index) => all[index]!);
    } else if (schema !== null) values = await filterIncoming(schema, values, this.#onBad);
    this.#messages += values.length;
    if (wrap === null)
      return { values: values as V[], headers, order, topic, indexes, count, bytes };
    const found = headers;
    const wrapped =
      found === null
        ? values.map((value) => wrap(value, NO_HEADERS))
        : values.map((value, index) => wrap(value, found[index]!));
    return { values: wrapped, headers, order, topic, indexes, count, bytes };
  }

  /** @throws BrokerlessError `BROKERLESS_PROTOCOL` for a protocol message of a reliable peer */
  #refuseStray(parts: readonly Buffer[], body: Buffer): void {
    const stray = strayOf(body);
    if (stray === null) return;
    if (stray.refusal !== null) this.#options.onStray?.(parts, stray.refusal);
    throw strayError(stray);
  }

  /** The values that fit the schema, and the index of each. */
  async #fitting(
    schema: Schema,
    values: readonly unknown[],
  ): Promise<{ values: unknown[]; indexes: number[] }> {
    const kept: { values: unknown[]; indexes: number[] } = { values: [], indexes: [] };
    for (const [index, value] of values.entries()) {
      const fit = await filterIncoming(schema, [value], this.#onBad);
      if (fit.length === 0) continue;
      kept.values.push(fit[0]);
      kept.indexes.push(index);
    }
    return kept;
  }

  readonly #onBad = (error: BrokerlessError): void => {
    this.#messagesRefused += 1;
    this.#options.onRefused(error);
  };
}

/** The error for a message from a reliable peer at a plain socket. */
export function strayError({ text }: Stray): BrokerlessError {
  return new BrokerlessError("BROKERLESS_PROTOCOL", text);
}

/** Opens a message of a body, with or without headers. @throws BrokerlessError `BROKERLESS_PROTOCOL` for more frames */
export function bodyAlone<V>(parts: Buffer[]): Envelope<V> {
  return bodyBehind(0, parts, null);
}

/**
 * Opens a message of a body after a number of other frames, with or without headers and an order frame.
 *
 * @throws BrokerlessError `BROKERLESS_PROTOCOL` when there are fewer frames, or more
 */
export function bodyBehind<V>(
  before: number,
  parts: Buffer[],
  wrap: Envelope<V>["wrap"],
  topic: string | null = null,
): Envelope<V> {
  const behind = parts.length - before;
  if (behind === 1 || behind === 2) {
    const headers = behind === 1 ? null : parts[before + 1]!;
    return { body: parts[before]!, headers, wrap, topic, order: null };
  }
  const message = `a message must have ${before + 1} frame${before === 0 ? "" : "s"}, or one more with headers, got ${parts.length}`;
  throw new BrokerlessError("BROKERLESS_PROTOCOL", message);
}
