import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../batch/layout.ts";
import type { SeqRange } from "../range/range.ts";

/**
 * The messages between reliable peers. R: sent by the receiver, S: by the sender, *: by either.
 *
 * | type | by | meaning                                                                                        |
 * |------|----|------------------------------------------------------------------------------------------------|
 * | 1  offer   | S | asks for a hello. Sent if the sender connects, and so sends first. Text: JSON             |
 * | 2  hello   | R | opens a session, whose number the receiver chooses. Text: JSON                            |
 * | 3  welcome | S | accepts the session. Text: JSON                                                           |
 * | 4  refuse  | * | refuses or ends the session. Text: reason. argument 1: a rival has stream or name         |
 * | 5  claim   | R | reply to a welcome: ranges still held, then (from index `argument` on) ranges processed   |
 * | 6  data    | S | a batch is the next frame. argument: attempt; number: acks stored;                        |
 * |            |   | flags: 1: requests a `received`; 2: guarded; 4: watched                                   |
 * | 7  ack     | R | ranges processed. number: that of the ack in the session, from 1                          |
 * | 8  nack    | R | ranges to retry. argument: after so many ms, or `ARGUMENT_NONE`. Text: the error, JSON    |
 * | 9  reject  | R | ranges never to be retried. Text: reason; flag 1: JSON, with the error                    |
 * | 10 release | R | ranges given back unread: not counted as an attempt                                       |
 * | 11 extend  | R | the leases last at least `argument` ms from now. No ranges: only a heartbeat              |
 * | 12 received | R | ranges held                                                                              |
 * | 13 progress | S | number as with data. Range: 1 to the settled floor. Also a heartbeat                     |
 * | 14 revoked | S | the lease of the ranges has ended: reports about them are not applied                     |
 * | 15 settled | S | ranges settled meanwhile: not sent again                                                  |
 * | 16 close   | * | ends the session. By S, argument 1: ends its stream too, which is never continued         |
 * | 17 ordering | S | argument 1: keep the order of seqs, wait for the ranges, which are sent again; 0: do not |
 * | 18 diverged | R | the ranges known to the receiver belong to another history of the stream                 |
 * | 19 begun   | R | ranges begun by the application. argument 1: everything in flight, or to begin after a go |
 * | 20 go      | S | all reports up to a begun of argument 1 are saved. Ranges: those of it that R holds       |
 */
export const LINK_MESSAGES = [
  "offer",
  "hello",
  "welcome",
  "refuse",
  "claim",
  "data",
  "ack",
  "nack",
  "reject",
  "release",
  "extend",
  "received",
  "progress",
  "revoked",
  "settled",
  "close",
  "ordering",
  "diverged",
  "begun",
  "go",
] as const;

/** One of {@link LINK_MESSAGES}. */
export type LinkMessageType = (typeof LINK_MESSAGES)[number];

/**
 * A message of the link protocol, decoded:
 *
 * | at | bytes | field                                       |
 * |----|-------|---------------------------------------------|
 * |  0 |     2 | `42 4c`, "BL"                               |
 * |  2 |     1 | version, 1                                  |
 * |  3 |     1 | type                                        |
 * |  4 |     4 | argument                                    |
 * |  8 |     8 | session; 0 in an offer                      |
 * | 16 |     8 | number                                      |
 * | 24 |     2 | flags                                       |
 * | 26 |     2 | length of the text (bytes)                  |
 * | 28 |     4 | count of ranges                             |
 * | 32 |       | text (UTF-8), then a u64 pair for each range |
 */
export interface LinkMessage {
  readonly type: LinkMessageType;
  /** A random number chosen by the receiver; 1 to 2^53 - 1, or 0 in an offer. */
  readonly session: number;
  readonly argument: number;
  readonly number: number;
  readonly flags: number;
  readonly text: string;
  readonly ranges: readonly SeqRange[];
}

/** The link protocol's only version; others are refused. */
export const LINK_VERSION = 1;
/** Argument of a nack without a delay: the sender's back-off applies. */
export const ARGUMENT_NONE = 0xffff_ffff;
/** Argument of a begun: the receiver waits for a go. */
export const ARGUMENT_GO = 1;
/** Argument of a sender's close: its stream ends. */
export const ARGUMENT_STREAM_ENDS = 1;
/** Flags of data. `watched`: a receiver died of an unknown message, so messages begun have to be reported soon. */
export const LINK_FLAG = { wantsReceived: 1, guarded: 2, watched: 4 } as const;
/** Flags of a reject. `error`: the text is JSON, which contains an error too. */
export const REJECT_FLAG = { error: 1 } as const;
/** Arguments of a refuse. `rival`: another connected peer has the stream or the receiver's name. */
export const REFUSED = { rival: 1 } as const;
/** Limit on ranges of one message; more are split over several (count). */
export const RANGES_MAX = 8_192;
/** Longest text (bytes). */
export const TEXT_BYTES_MAX = 4_096;

const MAGIC = 0x4c42;
const HEADER_BYTES = 32;
const RANGE_BYTES = 16;
const NO_RANGES: readonly SeqRange[] = Object.freeze([]);
const NUMBERS = new Map(LINK_MESSAGES.map((type, index) => [type, index + 1]));

/** The argument of {@link encodeLinkMessage}; omitted fields are 0 or empty. */
export type LinkMessageInput = Pick<LinkMessage, "type" | "session"> & Partial<LinkMessage>;

/**
 * Pure.
 *
 * @param message at most `RANGES_MAX` ranges; a longer text is cut
 */
export function encodeLinkMessage(message: LinkMessageInput): Buffer {
  const { text = "", ranges = NO_RANGES } = message;
  let textBytes = text === "" ? null : Buffer.from(text);
  if (textBytes !== null && textBytes.length > TEXT_BYTES_MAX) {
    textBytes = textBytes.subarray(0, TEXT_BYTES_MAX);
  }
  const textLength = textBytes?.length ?? 0;
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + textLength + RANGE_BYTES * ranges.length);
  putU16(bytes, 0, MAGIC);
  bytes[2] = LINK_VERSION;
  bytes[3] = NUMBERS.get(message.type)!;
  putU32(bytes, 4, message.argument ?? 0);
  putU64(bytes, 8, message.session);
  putU64(bytes, 16, message.number ?? 0);
  putU16(bytes, 24, message.flags ?? 0);
  putU16(bytes, 26, textLength);
  putU32(bytes, 28, ranges.length);
  if (textBytes !== null) bytes.set(textBytes, HEADER_BYTES);
  let at = HEADER_BYTES + textLength;
  for (const { first, last } of ranges) {
    putU64(bytes, at, first);
    putU64(bytes, at + 8, last);
    at += RANGE_BYTES;
  }
  return bytes;
}

/** Why bytes are not a message of this protocol. */
export interface LinkFault {
  readonly fault: string;
  /** The version of the peer's protocol if it is another one, so that the refusal can name it. */
  readonly version: number | null;
}

/**
 * Decodes bytes from a peer. Pure; never throws; allocates no more than in proportion to the bytes. Ranges must be
 * sorted, disjoint, and within 1 to 2^53 - 1, otherwise the message is refused (a claim has two such lists).
 */
export function decodeLinkMessage(bytes: Uint8Array): LinkMessage | LinkFault {
  if (bytes.length < 4 || getU16(bytes, 0) !== MAGIC) return faulty("it does not start like one");
  const version = bytes[2]!;
  if (version !== LINK_VERSION) {
    const fault = `it has version ${version}, and this program speaks version ${LINK_VERSION}`;
    return { fault, version };
  }
  if (bytes.length < HEADER_BYTES) return faulty("it is shorter than one");
  const type = LINK_MESSAGES[bytes[3]! - 1];
  if (type === undefined) return faulty(`it has the unknown type ${bytes[3]}`);
  const textLength = getU16(bytes, 26);
  const count = getU32(bytes, 28);
  if (textLength > TEXT_BYTES_MAX || count > RANGES_MAX) return faulty("it is too long");
  if (bytes.length !== HEADER_BYTES + textLength + count * RANGE_BYTES) {
    return faulty("its length does not match");
  }
  const session = getU64(bytes, 8);
  const number = getU64(bytes, 16);
  if (!Number.isSafeInteger(session) || !Number.isSafeInteger(number)) {
    return faulty("a number is out of range");
  }
  if ((session === 0) !== (type === "offer")) return faulty("its session is wrong");
  const argument = getU32(bytes, 4);
  if (type === "claim" && argument > count) return faulty("its ranges are wrong");
  const ranges = decodeRanges(bytes, HEADER_BYTES + textLength, {
    count,
    restartAt: type === "claim" ? argument : count,
  });
  if (ranges === null) return faulty("its ranges are wrong");
  const text =
    textLength === 0 ? "" : Buffer.from(bytes.buffer, bytes.byteOffset + HEADER_BYTES, textLength);
  return {
    type,
    session,
    argument,
    number,
    flags: getU16(bytes, 24),
    text: text.toString(),
    ranges,
  };
}

function decodeRanges(
  bytes: Uint8Array,
  start: number,
  { count, restartAt }: { readonly count: number; readonly restartAt: number },
): readonly SeqRange[] | null {
  if (count === 0) return NO_RANGES;
  const ranges: SeqRange[] = [];
  let before = 0;
  for (let index = 0; index < count; index++) {
    if (index === restartAt) before = 0;
    const at = start + index * RANGE_BYTES;
    const first = getU64(bytes, at);
    const last = getU64(bytes, at + 8);
    if (!(first > before && last >= first && last <= Number.MAX_SAFE_INTEGER)) return null;
    before = last;
    ranges.push({ first, last });
  }
  return ranges;
}

function faulty(fault: string): LinkFault {
  return { fault, version: null };
}
