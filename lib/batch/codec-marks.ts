import type { Codec } from "../codec/codec.ts";
import { BrokerlessError } from "../errors.ts";
import { thrownText } from "../handler-error.ts";

/** What stands before each value of a codec that ends by its length: no byte of MessagePack, nor of UTF-8. */
export const LENGTH_MARK = 0xc1;
/** What stands behind each value of `json()`. */
export const LINE_END: Buffer = Buffer.from(" \n");
/** MessagePack for an integer from 0 to 127 in a byte of its own: below it a byte is such an integer itself. */
export const UINT8 = 0xcc;
export const FIXINT_END = 0x80;

/** Whether a codec's frames have marks: those of ours alone. */
const MARKED: ReadonlySet<string> = new Set(["msgpack", "json"]);
/** A longer frame is not read as JSON to be sure (bytes). */
const SURE_BYTES_MAX = 65_536;
const BYTE_ORDER_MARK = 0xef;

/** Whether frames of this codec can be told from those of other codecs of ours. */
export function isMarked(codec: { readonly name: string }): boolean {
  return MARKED.has(codec.name);
}

/**
 * Refuses a frame that is certainly of another codec of ours. Looks closer only where the first byte is one that
 * `codec` does not write. Pure.
 *
 * @throws BrokerlessError `BROKERLESS_CODEC`, which names both
 * @see docs/decisions/0077-codec-marks.md
 */
export function refuseOthers(codec: { readonly name: string }, frame: Uint8Array): void {
  const maker = makerOf(frame);
  if (maker !== null && maker !== codec.name) throw mismatch(codec, maker);
}

/**
 * The same for a codec of a user, of whose frames nothing is known but that this one could not be decoded.
 *
 * @param cause what the codec threw: it may be right that the frame is its own, so that is said and kept
 */
export function refuseOurs(
  codec: Pick<Codec<never>, "name" | "delimiter">,
  frame: Uint8Array,
  cause: unknown,
): void {
  const maker = makerOf(frame);
  if (maker === null || maker === "msgpack" || maker === codec.name) return;
  // Every value that ends by its length begins with the same mark, whosever codec it is.
  if (maker === "raw" && codec.delimiter === "length") return;
  throw mismatch(codec, maker, { cause });
}

/** @returns the name of the codec that made the frame; null where that is not certain */
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
