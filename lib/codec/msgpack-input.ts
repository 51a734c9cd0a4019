import { TextReader } from "./msgpack-text.ts";
import { readTimestamp } from "./msgpack-time.ts";

/** Bytes up to this length are copied in JavaScript: a native copy first makes a view of them. */
const SHORT_BYTES_MAX = 32;
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0);

/** Bytes, and the same memory as a view. */
interface Source {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** @returns all of `bytes`, to be read by a {@link MsgpackInput} */
export function sourceOf(bytes: Buffer): Source {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

/**
 * Reads the scalars of MessagePack from bytes, from front to back.
 *
 * Every length is compared with the bytes that remain before anything is read or made.
 */
export class MsgpackInput {
  readonly #texts = new TextReader();
  /** The bytes that are read, as a view; empty when nothing is. */
  view: DataView = NO_VIEW;
  /** Where the next byte is (byte offset). */
  at = 0;
  /** Where the bytes end (byte offset). */
  end = 0;
  #bytes = NO_BYTES;

  /** Reads what lies in `[start, end)` of `source` (byte offsets). */
  open(source: Source, start: number, end: number): void {
    this.#bytes = source.bytes;
    this.view = source.view;
    this.at = start;
    this.end = end;
  }

  close(): void {
    this.#bytes = NO_BYTES;
    this.view = NO_VIEW;
  }

  /** The byte at `at`, which stays where it is. */
  peek(): number {
    if (this.at === this.end) throw this.refused("the end, with more announced", this.at);
    return this.#bytes[this.at]!;
  }

  /** @returns the offset of the next `length` bytes, which are there and count as read */
  take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw this.refused("the end, with more announced", at);
    this.at = at + length;
    return at;
  }

  uint8(): number {
    return this.#bytes[this.take(1)]!;
  }

  uint16(): number {
    return this.view.getUint16(this.take(2));
  }

  uint32(): number {
    return this.view.getUint32(this.take(4));
  }

  /** @throws Error when the bytes are not valid UTF-8 */
  text(length: number): string {
    return this.#texts.read(this.#bytes, this.view, this.take(length), length);
  }

  /** @returns a copy */
  binary(length: number): Buffer {
    const bytes = this.#bytes;
    const at = this.take(length);
    if (length === 0) return NO_BYTES.subarray();
    const copy = Buffer.allocUnsafe(length);
    if (length > SHORT_BYTES_MAX) bytes.copy(copy, 0, at, at + length);
    else for (let i = 0; i < length; i++) copy[i] = bytes[at + i]!;
    return copy;
  }

  /**
   * Reads `undefined` or a timestamp, behind its `token`. msgpackr knows more extensions, through
   * which one value can change what another one means.
   */
  extension(token: number): Date | undefined {
    const at = this.at - 1;
    if (token === 0xd4 && this.uint16() === 0) return undefined;
    if (token === 0xd6 && this.uint8() === 0xff) return readTimestamp(this.view, this.take(4), 4);
    if (token === 0xd7 && this.uint8() === 0xff) return readTimestamp(this.view, this.take(8), 8);
    if (token === 0xc7 && this.uint16() === 0x0cff) {
      return readTimestamp(this.view, this.take(12), 12);
    }
    throw this.refused(`0x${token.toString(16)}, which starts no accepted value`, at);
  }

  /** The error for `what` was found where it must not be. */
  refused(what: string, at: number): Error {
    return new Error(`msgpack: ${what}, at byte ${at} of ${this.end}`);
  }
}
