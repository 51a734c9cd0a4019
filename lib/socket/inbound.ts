import { createFraming, type Framing } from "../batch/framing.ts";
import type { Codec } from "../codec/codec.ts";
import { BrokerlessError } from "../errors.ts";
import { Inbox } from "./inbox.ts";
import { framingOptions, type ResolvedCommon } from "./options.ts";
import { filterIncoming, type Schema } from "./schema.ts";

/** A received message taken apart: the body, and what is to be made of its values. */
export interface Envelope<V> {
  readonly body: Buffer;
  /** Adds to each value what stands around the body, such as its topic; null where nothing does. */
  readonly wrap: ((value: unknown) => V) | null;
}

/** What an {@link Inbound} is made of. */
export interface InboundOptions<V> {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly receive: () => Promise<Buffer[]>;
  /**
   * Takes a message apart.
   *
   * @returns null when it is not for us, and is skipped without a word
   * @throws BrokerlessError `BROKERLESS_PROTOCOL` when it has not the parts that the role expects
   */
  readonly open: (parts: Buffer[]) => Envelope<V> | null;
  readonly onRefused: (error: BrokerlessError) => void;
}

/** Counters of an {@link Inbound}. */
export interface InboundStats {
  readonly messagesReceived: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesRefused: number;
  readonly messagesRefused: number;
}

/**
 * The way into a socket, in order: transport, envelope, batch, codec, schema, inbox.
 *
 * A frame that cannot be read is counted, reported and skipped as a whole; a value that does not fit
 * the schema alone.
 */
export class Inbound<V> {
  /** Where the values wait for those who ask. */
  readonly inbox: Inbox<V>;
  readonly #options: InboundOptions<V>;
  readonly #framing: Framing<unknown>;
  #messages = 0;
  #frames = 0;
  #bytes = 0;
  #framesRefused = 0;
  #messagesRefused = 0;

  constructor(options: InboundOptions<V>) {
    this.#options = options;
    this.#framing = createFraming(options.codec, framingOptions(options.common));
    this.inbox = new Inbox(() => this.#read());
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

  async #read(): Promise<V[]> {
    const parts = await this.#options.receive();
    let envelope: Envelope<V> | null;
    let values: unknown[];
    try {
      envelope = this.#options.open(parts);
      if (envelope === null) return [];
      values = this.#framing.decode(envelope.body);
    } catch (error) {
      if (!(error instanceof BrokerlessError)) throw error;
      this.#framesRefused += 1;
      this.#options.onRefused(error);
      return [];
    }
    const { body, wrap } = envelope;
    this.#frames += 1;
    this.#bytes += body.length;
    const { schema } = this.#options;
    if (schema !== null) values = await filterIncoming(schema, values, this.#onBad);
    this.#messages += values.length;
    return wrap === null ? (values as V[]) : values.map(wrap);
  }

  readonly #onBad = (error: BrokerlessError): void => {
    this.#messagesRefused += 1;
    this.#options.onRefused(error);
  };
}

/** The only frame of a message. @throws BrokerlessError `BROKERLESS_PROTOCOL` when there are more */
export function onlyFrame<V>(parts: Buffer[]): Envelope<V> {
  if (parts.length !== 1) throw framesError(1, parts.length);
  return { body: parts[0]!, wrap: null };
}

/** A message has not the number of frames that the role expects. */
export function framesError(expected: number, got: number): BrokerlessError {
  const message = `a message must have ${expected} frame${expected === 1 ? "" : "s"}, got ${got}`;
  return new BrokerlessError("BROKERLESS_PROTOCOL", message);
}
