import type { Codec } from "../../codec/codec.ts";
import { BrokerlessError } from "../../errors.ts";
import { thrownText } from "../../handler-error.ts";

/**
 * Prefix of each value of a codec with the delimiter `"length"`: a byte that neither MessagePack
 * nor UTF-8 contains.
 */
export const LENGTH_MARK = 0xc1;
/** Suffix of each value of `json()`. */
export const LINE_END: Buffer = Buffer.from(" \n");
/**
 * MessagePack token of an integer from 0 to 127 that has a byte of its own; without the token, the
 * byte itself is the integer.
 */
export const UINT8 = 0xcc;
export const FIXINT_END = 0x80;

/** The codecs whose frames can be identified: only those of this package. */
const MARKED: ReadonlySet<string> = new Set(["msgpack", "json"]);
/** A longer frame is not parsed as JSON to identify it (bytes). */
const SURE_BYTES_MAX = 65_536;
const BYTE_ORDER_MARK = 0xef;

/** Whether frames of this codec can be told from those of the other codecs of this package. */
export function isMarked(codec: { readonly name: string }): boolean {
  return MARKED.has(codec.name);
}

/**
 * Refuses a frame that certainly comes from another codec of this package. Inspects the frame
 * further only where its first byte is one that `codec` never writes. Pure.
 *
 * @throws BrokerlessError `BROKERLESS_CODEC`, with the names of both codecs
 * @see docs/decisions/0077-codec-marks.md
 */
export function refuseOthers(codec: { readonly name: string }, frame: Uint8Array): void {
  const maker = makerOf(frame);
  if (maker !== null && maker !== codec.name) throw mismatch(codec, maker);
}

/**
 * Refuses a frame that a user's own codec failed to decode, naming the codec of this package that
 * may have written it.
 *
 * @param cause the error that the codec threw. The frame may be its own after all, so the cause is
 *   reported and kept
 */
export function refuseOurs(
  codec: Pick<Codec<never>, "name" | "delimiter">,
  frame: Uint8Array,
  cause: unknown,
): void {
  const maker = makerOf(frame);
  if (maker === null || maker === "msgpack" || maker === codec.name) return;
  // Every value with the delimiter `"length"` starts with the same mark, whatever its codec.
  if (maker === "raw" && codec.delimiter === "length") return;
  throw mismatch(codec, maker, { cause });
}

/** @returns the name of the codec that wrote the frame; null where that is not certain */
function makerOf(frame: Uint8Array): "raw" | "msgpack" | "json" | null {
  const first = frame[0];
  if (first === undefined) return null;
  if (first === LENGTH_MARK) return "raw";
  if (first >= FIXINT_END) return first === BYTE_ORDER_MARK ? null : "msgpack";
  const { length } = frame;
  const isLine = frame[length - 2] === LINE_END[0] && frame[length - 1] === LINE_END[1];
  return isLine && (length > SURE_BYTES_MAX || isJson(frame)) ? "json" : null;
}

function isJson(frame: Uint8Array): boolean {
  const text = Buffer.from(frame.buffer, frame.byteOffset, frame.length - 1).toString();
  try {
    for (const line of text.split("\n")) JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function mismatch(
  { name }: { readonly name: string },
  maker: string,
  options?: { readonly cause: unknown },
): BrokerlessError {
  const text = `a frame of the codec ${maker} came to a socket with the codec ${name}: both sides need the same`;
  const reason = options === undefined ? "" : ` (${name}: ${thrownText(options.cause)})`;
  return new BrokerlessError("BROKERLESS_CODEC", `${text}${reason}`, options);
}
