import type { Framing } from "../batch/framing.ts";
import { ByteWriter } from "../codec/byte-writer.ts";
import { BrokerlessError, RemoteError } from "../errors.ts";

/** Separates the envelope, by which an answer finds its way back, from the body. */
export const DELIMITER: Buffer = Buffer.alloc(0);
/** First of the two frames that stand for the body of an answer when the replier failed. */
const FAILED = Buffer.from("brokerless-error");
/** Frames of an envelope: the request id, and one for each device on the way (count). */
const ENVELOPE_FRAMES_MAX = 16;
/** Longest error text that travels (characters). */
const ERROR_CHARS_MAX = 4_096;

/**
 * A request as a ROUTER receives it.
 *
 * | frames   | what                                                     |
 * |----------|----------------------------------------------------------|
 * | 1        | the peer                                                 |
 * | 0 to 16  | what the way back needs: request ids, ids of devices     |
 * | 1        | empty                                                    |
 * | 1        | the body: exactly one value                              |
 */
export interface Request {
  /** The peer and everything up to and with the empty frame: goes back before the answer. */
  readonly envelope: readonly Buffer[];
  readonly body: Buffer;
}

/** @throws BrokerlessError `BROKERLESS_PROTOCOL` */
export function openRequest(parts: readonly Buffer[]): Request {
  const bodyAt = parts.length - 1;
  if (bodyAt < 2 || bodyAt > ENVELOPE_FRAMES_MAX + 2 || parts[bodyAt - 1]!.length > 0) {
    throw wrong("a request must be an envelope, an empty frame and one frame of body", parts);
  }
  return { envelope: parts.slice(0, bodyAt), body: parts[bodyAt]! };
}

/** An answer: the body, or the error of the replier. */
export type WireAnswer =
  | { readonly id: number; readonly body: Buffer; readonly error: null }
  | { readonly id: number; readonly body: null; readonly error: RemoteError };

/**
 * An answer as a DEALER receives it: request id (u32 big-endian), empty, then the body, or two frames
 * for an error: `brokerless-error`, and JSON `{ name, message, code }`.
 *
 * @throws BrokerlessError `BROKERLESS_PROTOCOL`
 */
export function openAnswer(parts: readonly Buffer[]): WireAnswer {
  const [id, delimiter, body, error] = parts;
  const fits = parts.length === 3 || (parts.length === 4 && body!.equals(FAILED));
  if (!fits || id!.length !== 4 || delimiter!.length > 0) {
    throw wrong("an answer must be a request id, an empty frame and one frame of body", parts);
  }
  const number = id!.readUInt32BE(0);
  if (error === undefined) return { id: number, body: body!, error: null };
  return { id: number, body: null, error: readError(error) };
}

/** Encodes questions and answers, each as a frame of its own. */
export class SingleEncoder {
  readonly #framing: Framing<unknown>;
  readonly #messageBytesMax: number;
  readonly #writer = new ByteWriter();

  constructor(framing: Framing<unknown>, messageBytesMax: number) {
    this.#framing = framing;
    this.#messageBytesMax = messageBytesMax;
  }

  /** @throws BrokerlessError `BROKERLESS_CODEC`, or `BROKERLESS_TOO_LARGE` */
  encode(value: unknown): Buffer {
    this.#framing.append(value, this.#writer);
    const { length } = this.#writer;
    if (length <= this.#messageBytesMax) return this.#writer.take();
    this.#writer.rewind(0);
    throw new BrokerlessError(
      "BROKERLESS_TOO_LARGE",
      `the encoded message has ${length} bytes; messageBytesMax is ${this.#messageBytesMax}`,
    );
  }
}

/** The frames that stand for the body when the handler threw `error`. */
export function errorFrames(error: unknown): Buffer[] {
  return [FAILED, Buffer.from(JSON.stringify(textsOf(error)))];
}

/** Anything can be thrown, an object that cannot be read included. */
function textsOf(error: unknown): { name: string; message: string; code: string | null } {
  try {
    const { name, message, code } = (
      error instanceof Error ? error : new Error(String(error))
    ) as NodeJS.ErrnoException;
    const text = typeof code === "string" ? cut(code) : null;
    return { name: cut(name), message: cut(message), code: text };
  } catch {
    return { name: "Error", message: "the handler threw what cannot be read", code: null };
  }
}

function readError(frame: Buffer): RemoteError {
  let init: unknown;
  try {
    init = JSON.parse(frame.toString());
  } catch {
    init = null;
  }
  const { name, message, code } = (typeof init === "object" && init !== null ? init : {}) as {
    [key: string]: unknown;
  };
  return new RemoteError({
    message: typeof message === "string" ? cut(message) : "the replier failed without a reason",
    remoteName: typeof name === "string" ? cut(name) : "Error",
    remoteCode: typeof code === "string" ? cut(code) : null,
  });
}

function cut(text: string): string {
  return String(text).slice(0, ERROR_CHARS_MAX);
}

function wrong(expected: string, parts: readonly Buffer[]): BrokerlessError {
  return new BrokerlessError("BROKERLESS_PROTOCOL", `${expected}, got ${parts.length} frames`);
}
