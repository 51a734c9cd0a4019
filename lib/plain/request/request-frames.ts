import { BrokerlessError } from "../../errors.ts";
import { REQUEST_ID_BYTES } from "./request-ids.ts";

/**
 * The frames between a {@link Requester} and a {@link Replier} that know each other: many requests, or many replies, in
 * one frame, without the envelope of REQ.
 *
 * A frame is a mark of four bytes, then entries. Small ones matter: zeromq.js copies a frame of up to 128 bytes, and
 * passes the memory of a longer one, which takes longer. Numbers are varints (LEB128). An entry:
 *
 * | bytes  | content                                                                         |
 * |--------|---------------------------------------------------------------------------------|
 * | 1      | kind, plus 128 where there are headers                                          |
 * | 12     | id of the request; only in entries that belong to one                           |
 * | 1 to 5 | time that is left (milliseconds); only of a request                             |
 * | 1 to 5 | length of the headers (bytes); only where there are any                         |
 * | 1 to 5 | length of the body (bytes); only of a request, a value and an error             |
 * | n      | the headers, then the body                                                      |
 *
 * @see docs/decisions/0084-requests-by-load.md
 */
const MARK_BYTES = 4;
/** Most entries of a frame: more of them would be far more memory than bytes (count). */
export const ENTRIES_MAX = 1_024;
const REQUESTS_MARK = 0xb7_52_51_01;
const REPLIES_MARK = 0xb7_52_50_01;
const HAS_HEADERS = 0x80;
/** Most bytes of a varint, and of the numbers of an entry (bytes). */
const VARINT_BYTES_MAX = 5;
const HEAD_BYTES_MAX = 1 + REQUEST_ID_BYTES + 3 * VARINT_BYTES_MAX;
const NO_ID = Buffer.alloc(REQUEST_ID_BYTES);
const NOTHING = Buffer.alloc(0);

/** Entries of a frame from a requester. */
export const REQUEST_KINDS: Readonly<Record<"request" | "cancel" | "left", number>> = Object.freeze(
  {
    request: 0,
    /** The requester no longer waits for the reply. */
    cancel: 1,
    /** The requester has read that the replier leaves: no request follows. */
    left: 2,
  },
);

/** Entries of a frame from a replier. */
export const REPLY_KINDS: Readonly<
  Record<"value" | "error" | "returned" | "leaving" | "staying" | "expired", number>
> = Object.freeze({
  value: 16,
  /** The handler failed; the body is the JSON of its error. */
  error: 17,
  /** The request was not begun, because the replier leaves: another replier can handle it. */
  returned: 18,
  /** The replier leaves: it must get no more requests. */
  leaving: 19,
  /** The replier that was leaving stays. */
  staying: 20,
  /** The time limit of the request has passed, or it was given up: no reply follows. */
  expired: 21,
});

/** Kinds whose entries belong to a request, and those that have a body. */
const WITH_ID: ReadonlySet<number> = new Set([
  REQUEST_KINDS.request,
  REQUEST_KINDS.cancel,
  REPLY_KINDS.value,
  REPLY_KINDS.error,
  REPLY_KINDS.returned,
  REPLY_KINDS.expired,
]);
const WITH_BODY: ReadonlySet<number> = new Set([
  REQUEST_KINDS.request,
  REPLY_KINDS.value,
  REPLY_KINDS.error,
]);
const KNOWN: ReadonlySet<number> = new Set([
  ...Object.values(REQUEST_KINDS),
  ...Object.values(REPLY_KINDS),
]);

/** One entry of a frame. */
export interface FrameEntry {
  readonly kind: number;
  readonly id: Buffer;
  /** Time that is left for the request (milliseconds); 0 in other entries. */
  readonly leftMs: number;
  /** The frame of the headers; null where there are none. */
  readonly headers: Buffer | null;
  readonly body: Buffer;
}

/** An entry without a body. */
export function bareEntry(kind: number, id: Buffer = NO_ID): FrameEntry {
  return { kind, id, leftMs: 0, headers: null, body: NOTHING };
}

/** Most bytes of an entry in a frame. */
export function entryBytesMax({ headers, body }: FrameEntry): number {
  return HEAD_BYTES_MAX + (headers?.length ?? 0) + body.length;
}

/** Encodes a frame of requests. */
export function encodeRequests(entries: readonly FrameEntry[]): Buffer {
  return encode(REQUESTS_MARK, entries);
}

/** Encodes a frame of replies. */
export function encodeReplies(entries: readonly FrameEntry[]): Buffer {
  return encode(REPLIES_MARK, entries);
}

/** Whether a frame is one of requests, or claims to be. */
export function isRequests(frame: Buffer): boolean {
  return frame.length >= MARK_BYTES && frame.readUInt32BE(0) === REQUESTS_MARK;
}

/** Whether a frame is one of replies, or claims to be. */
export function isReplies(frame: Buffer): boolean {
  return frame.length >= MARK_BYTES && frame.readUInt32BE(0) === REPLIES_MARK;
}

/**
 * Decodes a frame for which {@link isRequests} or {@link isReplies} is true. Headers and bodies are parts of the frame,
 * not copies.
 *
 * @throws BrokerlessError `BROKERLESS_PROTOCOL`
 */
export function decodeEntries(frame: Buffer): FrameEntry[] {
  const entries: FrameEntry[] = [];
  let at = MARK_BYTES;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; factor < 2 ** 35; factor *= 2 ** 7) {
      const byte = frame[at];
      if (byte === undefined) break;
      at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 && value < 2 ** 32) return value;
    }
    throw wrong(entries.length);
  };
  while (at < frame.length) {
    const first = frame[at]!;
    const kind = first & ~HAS_HEADERS;
    if (!KNOWN.has(kind) || entries.length === ENTRIES_MAX) throw wrong(entries.length);
    at += 1;
    let id: Buffer = NO_ID;
    if (WITH_ID.has(kind)) {
      id = frame.subarray(at, at + REQUEST_ID_BYTES);
      at += REQUEST_ID_BYTES;
    }
    const leftMs = kind === REQUEST_KINDS.request ? number() : 0;
    const headersBytes = first === kind ? 0 : number();
    const bodyBytes = WITH_BODY.has(kind) ? number() : 0;
    const bodyAt = at + headersBytes;
    if (bodyAt + bodyBytes > frame.length) throw wrong(entries.length);
    const headers = first === kind ? null : frame.subarray(at, bodyAt);
    at = bodyAt + bodyBytes;
    entries.push({ kind, id, leftMs, headers, body: frame.subarray(bodyAt, at) });
  }
  if (entries.length === 0) throw wrong(0);
  return entries;
}

function encode(mark: number, entries: readonly FrameEntry[]): Buffer {
  let bytesMax = MARK_BYTES;
  for (const entry of entries) bytesMax += entryBytesMax(entry);
  const frame = Buffer.allocUnsafe(bytesMax);
  frame.writeUInt32BE(mark);
  let at = MARK_BYTES;
  const write = (value: number): void => {
    let left = value;
    while (left >= 0x80) {
      frame[at++] = (left & 0x7f) | 0x80;
      left = Math.floor(left / 0x80);
    }
    frame[at++] = left;
  };
  for (const { kind, id, leftMs, headers, body } of entries) {
    frame[at++] = headers === null ? kind : kind | HAS_HEADERS;
    if (WITH_ID.has(kind)) {
      frame.set(id, at);
      at += REQUEST_ID_BYTES;
    }
    if (kind === REQUEST_KINDS.request) write(leftMs);
    if (headers !== null) write(headers.length);
    if (WITH_BODY.has(kind)) write(body.length);
    if (headers !== null) {
      frame.set(headers, at);
      at += headers.length;
    }
    frame.set(body, at);
    at += body.length;
  }
  return frame.subarray(0, at);
}

function wrong(entries: number): BrokerlessError {
  const message = `a frame of requests or replies is not one from its entry ${entries + 1} on`;
  return new BrokerlessError("BROKERLESS_PROTOCOL", message);
}
