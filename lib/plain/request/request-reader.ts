import type { Framing } from "../../batch/framing/framing.ts";
import {
  type FrameHeaderLimits,
  type MessageHeaders,
  NO_HEADERS,
  splitHeaders,
} from "../../batch/headers.ts";
import { filterIncoming, type Schema } from "../../core/schema.ts";
import type { BrokerlessError } from "../../errors.ts";
import { wait } from "../../wait.ts";

/** Dependencies of a {@link RequestReader}. */
export interface RequestReaderOptions {
  readonly framing: Framing<unknown>;
  readonly limits: FrameHeaderLimits;
  readonly schema: Schema | null;
  /** Aborted when the socket closes. */
  readonly closed: AbortSignal;
  /** Reports a request that cannot be read. */
  readonly onRefused: (error: BrokerlessError) => void;
}

/** Counts of a {@link RequestReader}. */
export interface RequestCounts {
  readonly messages: number;
  /** Bytes of the bodies of those messages. */
  readonly bytes: number;
  readonly framesRefused: number;
  readonly messagesRefused: number;
}

/**
 * Reads the bodies and headers of requests, checks them against the schema, and counts them. What it refuses is
 * counted, reported and thrown, so that the requester gets an error.
 */
export class RequestReader<Request> {
  readonly #options: RequestReaderOptions;
  #messages = 0;
  #bytes = 0;
  #framesRefused = 0;
  #messagesRefused = 0;

  constructor(options: RequestReaderOptions) {
    this.#options = options;
  }

  get counts(): RequestCounts {
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      framesRefused: this.#framesRefused,
      messagesRefused: this.#messagesRefused,
    };
  }

  /** @throws BrokerlessError `BROKERLESS_PROTOCOL`, `BROKERLESS_VERSION`, `BROKERLESS_TOO_LARGE` */
  headers(frame: Buffer | null): MessageHeaders {
    if (frame === null) return NO_HEADERS;
    try {
      return splitHeaders(frame, 1, this.#options.limits)[0]!;
    } catch (error) {
      return this.#refuse(error as BrokerlessError);
    }
  }

  /**
   * The value of a request, or a promise where the schema is asynchronous.
   *
   * @throws BrokerlessError `BROKERLESS_PROTOCOL`, `BROKERLESS_SCHEMA` and other errors of the framing; the promise
   * rejects with the same, and with the reason of the signal
   */
  value(body: Buffer): Request | Promise<Request> {
    const { framing, schema } = this.#options;
    let values: unknown[];
    try {
      values = framing.decode(body);
    } catch (error) {
      return this.#refuse(error as BrokerlessError);
    }
    this.#messages += 1;
    this.#bytes += body.length;
    return schema === null ? (values[0] as Request) : this.#check(schema, values);
  }

  async #check(schema: Schema, values: unknown[]): Promise<Request> {
    const bad: BrokerlessError[] = [];
    const checked = filterIncoming<Request>(schema, values, (error) => bad.push(error));
    const kept =
      checked instanceof Promise ? await untilClosed(checked, this.#options.closed) : checked;
    if (bad.length === 0) return kept[0] as Request;
    this.#messagesRefused += 1;
    this.#options.onRefused(bad[0]!);
    throw bad[0];
  }

  #refuse(error: BrokerlessError): never {
    this.#framesRefused += 1;
    this.#options.onRefused(error);
    throw error;
  }
}

/** A schema may never settle: closing the socket ends the wait, and no handler is begun after that. */
export function untilClosed<T>(checked: Promise<T>, closed: AbortSignal): Promise<T> {
  return wait<T>("a check by the schema", { signal: closed }, (settle) => {
    checked.then(settle.resolve, settle.reject);
    return () => {};
  });
}
