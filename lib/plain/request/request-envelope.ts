import type { Framing } from "../../batch/framing/framing.ts";
import { ByteWriter } from "../../codec/byte-writer.ts";
import { encodesAlready } from "../../codec/codec-error.ts";
import { tooManyBytes } from "../../codec/elements.ts";
import { BrokerlessError, RemoteError } from "../../errors.ts";
import { type HandlerError, handlerError } from "../../handler-error.ts";
import { idOfEnvelope, openEnvelopeId } from "./request-ids.ts";

/** Separates the envelope, which routes the reply back, from the body. */
export const DELIMITER: Buffer = Buffer.alloc(0);
/** First of the two frames that replace the body of a reply when the replier failed. */
const FAILED = Buffer.from("brokerless-error");
/** Frames of an envelope: the request id, and one for each device on the way (count). */
const ENVELOPE_FRAMES_MAX = 16;
/** Longest text of an error in a reply (characters). */
const ERROR_CHARS_MAX = 4_096;
/** Most bytes of one of its characters in JSON, as a numeric escape (bytes). */
const ERROR_CHAR_BYTES_MAX = 6;
/** Longest JSON of an error: its three texts, and the JSON around them (bytes). */
const ERROR_BYTES_MAX =
  3 * ERROR_CHARS_MAX * ERROR_CHAR_BYTES_MAX +
  Buffer.byteLength(JSON.stringify({ name: "", message: "", code: "" }));

/**
 * A request as a ROUTER receives it.
 *
 * | frames   | what                                                     |
 * |----------|----------------------------------------------------------|
 * | 1        | the peer                                                 |
 * | 0 to 16  | the route back: request ids, ids of devices              |
 * | 1        | empty: the first such frame                              |
 * | 1        | the body: exactly one value                              |
 * | 0 or 1   | headers                                                  |
 */
export interface Request {
  /**
   * The peer and all frames up to and including the empty one; the reply begins with them. Of a {@link Requester} only
   * the peer.
   */
  readonly envelope: readonly Buffer[];
  /** The id of the request, of a {@link Requester} that reads frames of replies; null otherwise. */
  readonly id: Buffer | null;
  /** When its requester gives it up (ms); infinite where that is not known. */
  readonly deadlineMs: number;
  readonly body: Buffer;
  /** The frame of its headers; null where there is none. */
  readonly headers: Buffer | null;
}

/** Parses a request. @throws BrokerlessError `BROKERLESS_PROTOCOL` */
export function openRequest(parts: readonly Buffer[]): Request {
  // As REP does: the first empty frame after the peer ends the envelope.
  const bodyAt = parts.findIndex((part, index) => index > 0 && part.length === 0) + 1;
  const behind = parts.length - bodyAt;
  const isRequest = bodyAt >= 2 && (behind === 1 || behind === 2);
  if (!isRequest || bodyAt > ENVELOPE_FRAMES_MAX + 2) {
    const wanted = "an envelope, an empty frame and one frame of body, or one more with headers";
    throw wrong(`a request must be ${wanted}`, parts);
  }
  const headers = behind === 2 ? parts[bodyAt + 1]! : null;
  const body = parts[bodyAt]!;
  const opened = openEnvelopeId(parts[bodyAt - 2]!);
  const deadlineMs = opened === null ? Number.POSITIVE_INFINITY : performance.now() + opened.leftMs;
  // Behind a proxy there may be others than the requester: the reply goes back as it came.
  const isOwn = opened !== null && bodyAt === 3;
  if (!isOwn) return { envelope: parts.slice(0, bodyAt), id: null, deadlineMs, body, headers };
  return { envelope: [parts[0]!], id: opened.id, deadlineMs, body, headers };
}

/** A reply; {@link readError} reads its error. */
export type WireReply = { readonly id: Buffer } & ReplyContent;

/**
 * Parses a reply with the envelope of REQ: the frame of `envelopeId`, empty, then the body, or two frames for an error:
 * `brokerless-error`, and JSON `{ name, message, code }`. Decodes neither, since the request may no longer be open.
 *
 * @throws BrokerlessError `BROKERLESS_PROTOCOL`
 */
export function openReply(parts: readonly Buffer[]): WireReply {
  const [id, delimiter, body, error] = parts;
  const fits = parts.length === 3 || (parts.length === 4 && body!.equals(FAILED));
  const requestId = fits ? idOfEnvelope(id!) : null;
  if (requestId === null || delimiter!.length > 0) {
    throw wrong("a reply must be a request id, an empty frame and one frame of body", parts);
  }
  if (error === undefined) return { id: requestId, body: body!, error: null };
  return { id: requestId, body: null, error };
}

/** Encodes requests and replies, each as a frame of its own. */
export class SingleEncoder {
  readonly #framing: Framing<unknown>;
  readonly #messageBytesMax: number;
  readonly #writer = new ByteWriter();
  #isEncoding = false;

  constructor(framing: Framing<unknown>, messageBytesMax: number) {
    this.#framing = framing;
    this.#messageBytesMax = messageBytesMax;
  }

  /** @throws BrokerlessError `BROKERLESS_CODEC`, or `BROKERLESS_TOO_LARGE` */
  encode(value: unknown): Buffer {
    if (this.#isEncoding) throw encodesAlready();
    this.#isEncoding = true;
    try {
      this.#framing.append(value, this.#writer);
    } finally {
      this.#isEncoding = false;
    }
    const length = this.#writer.length - this.#framing.overheadBytes;
    if (length <= this.#messageBytesMax) return this.#writer.take();
    this.#writer.rewind(0);
    throw tooManyBytes(this.#messageBytesMax, length);
  }
}

/** The body of a reply, or the error in its place. */
export type ReplyContent =
  | { readonly body: Buffer; readonly error: null }
  | { readonly body: null; readonly error: Buffer };

/** The reply when the handler threw `error`. */
export function errorContent(error: unknown): ReplyContent {
  const reply = errorReplyOf(error) ?? handlerError(error, ERROR_CHARS_MAX);
  return { body: null, error: Buffer.from(JSON.stringify(reply)) };
}

/** The frames of a reply behind its envelope. */
export function contentFrames({ body, error }: ReplyContent): Buffer[] {
  return error === null ? [body] : [FAILED, error];
}

/** Whether an error thrown by a handler is itself the reply. */
export function isErrorReply(error: unknown): boolean {
  return errorReplyOf(error) !== null;
}

/**
 * The texts of a `RemoteError`, so that the requester gets it unchanged; null for any other error, and where it cannot
 * be read.
 */
function errorReplyOf(error: unknown): HandlerError | null {
  if (handlerError(error, ERROR_CHARS_MAX).name !== "RemoteError") return null;
  try {
    const { message, remoteName, remoteCode } = error as RemoteError;
    const code = typeof remoteCode === "string" ? cut(remoteCode) : null;
    return { name: cut(remoteName), message: cut(message), code };
  } catch {
    return null;
  }
}

/**
 * Decodes the error of a reply.
 *
 * @throws BrokerlessError `BROKERLESS_TOO_LARGE` for one longer than {@link errorFrames} can produce
 */
export function readError(frame: Buffer): RemoteError {
  if (frame.length > ERROR_BYTES_MAX) {
    const message = `the error of a reply has ${frame.length} bytes; it may have ${ERROR_BYTES_MAX}`;
    throw new BrokerlessError("BROKERLESS_TOO_LARGE", message);
  }
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
