import { describe } from "../options.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type KeyNode, putBytes } from "./msgpack-keys.ts";
import { writeTimestamp } from "./msgpack-time.ts";
import { writeLongUtf8, writeShortUtf8 } from "./msgpack-utf8.ts";

/** Room for any token with its number, and for any remembered key with what it overwrites (bytes). */
const ROOM = 40;
/** A string up to this length is written in JavaScript: the call into native code costs more. */
const SHORT_UNITS_MAX = 40;
/** UTF-8 needs at most three bytes for each UTF-16 code unit. */
const BYTES_PER_UNIT_MAX = 3;
const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0);

/**
 * Writes the scalars of MessagePack, and the heads of arrays and maps, behind what a
 * {@link ByteWriter} holds.
 *
 * The writer's `end` moves only in `commit`: whatever a getter of the value does to the writer
 * meanwhile, half a value never becomes visible.
 */
export class MsgpackOutput {
  #writer: ByteWriter | null = null;
  #bytes = NO_BYTES;
  #view = NO_VIEW;
  #from = 0;
  #at = 0;

  /** Whether a value is begun and not ended. */
  get busy(): boolean {
    return this.#writer !== null;
  }

  begin(writer: ByteWriter): void {
    this.#writer = writer;
    this.#from = writer.reserve(ROOM);
    this.#at = this.#from;
    this.#bytes = writer.bytes;
    this.#view = writer.view;
  }

  /** Makes what was written since `begin` part of the writer's open piece. */
  commit(): void {
    const writer = this.#writer!;
    if (writer.bytes === this.#bytes && writer.end === this.#from) writer.end = this.#at;
    else writer.append(this.#bytes.subarray(this.#from, this.#at));
  }

  /** Lets go of the writer, after `commit` or after a failure. */
  end(): void {
    this.#writer = null;
    this.#bytes = NO_BYTES;
    this.#view = NO_VIEW;
  }

  nil(): void {
    this.#byte(0xc0);
  }

  boolean(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  undefined(): void {
    const at = this.#room(ROOM);
    this.#bytes[at] = 0xd4;
    this.#view.setUint16(at + 1, 0);
    this.#at = at + 3;
  }

  number(value: number): void {
    const at = this.#room(ROOM);
    const isUnsigned = value >>> 0 === value;
    if (isUnsigned && value < 0x80 && !Object.is(value, -0)) {
      this.#bytes[at] = value;
      this.#at = at + 1;
    } else if (isUnsigned && value !== 0) this.#unsigned(value, at);
    else if (value >> 0 === value && value !== 0) this.#negative(value, at);
    else {
      this.#bytes[at] = 0xcb;
      this.#view.setFloat64(at + 1, value);
      this.#at = at + 9;
    }
  }

  /** @throws RangeError for a value of more than 64 bits */
  bigint(value: bigint): void {
    const isSigned = BigInt.asIntN(64, value) === value;
    if (!isSigned && BigInt.asUintN(64, value) !== value) {
      throw new RangeError(`msgpack: a BigInt has at most 64 bits, got ${describe(value)}`);
    }
    const at = this.#room(ROOM);
    this.#bytes[at] = isSigned ? 0xd3 : 0xcf;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value));
    this.#at = at + 9;
  }

  /** @throws TypeError for half of a surrogate pair, which UTF-8 has no bytes for */
  text(text: string): void {
    const length = text.length;
    if (length > SHORT_UNITS_MAX) {
      this.#longText(text);
      return;
    }
    const at = this.#room(ROOM + length * BYTES_PER_UNIT_MAX);
    const bytes = this.#bytes;
    const from = at + (length < 0x20 ? 1 : 2);
    let i = 0;
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[from + i] = unit;
    }
    if (i < length) this.#at = writeShortUtf8(text, bytes, at);
    else {
      if (length < 0x20) bytes[at] = 0xa0 | length;
      else this.#view.setUint16(at, 0xd900 | length);
      this.#at = from + length;
    }
  }

  /** @throws TypeError for an invalid date */
  time(date: Date): void {
    const at = this.#room(ROOM);
    this.#at = writeTimestamp(date, this.#view, at);
  }

  binary(value: Uint8Array): void {
    const length = value.length;
    const at = this.#room(ROOM + length);
    if (length < 0x100) {
      this.#view.setUint16(at, 0xc400 | length);
      this.#at = at + 2;
    } else this.#wideHead(length, 0xc5);
    this.#bytes.set(value, this.#at);
    this.#at += length;
  }

  arrayHead(count: number): void {
    if (count < 0x10) this.#byte(0x90 | count);
    else this.#wideHead(count, 0xdc);
  }

  mapHead(count: number): void {
    if (count < 0x10) this.#byte(0x80 | count);
    else this.#wideHead(count, 0xde);
  }

  key(node: KeyNode): void {
    if (node.byteCount === 0) this.text(node.key);
    else {
      const at = this.#room(ROOM);
      putBytes(node, this.#view, at);
      this.#at = at + node.byteCount;
    }
  }

  /**
   * Makes room for `count` more bytes, in another slab if need be.
   *
   * @returns where they go (byte offset)
   */
  #room(count: number): number {
    if (this.#at + count > this.#bytes.length) this.#grow(count);
    return this.#at;
  }

  #grow(count: number): void {
    const writer = this.#writer!;
    const previous = this.#bytes;
    const from = this.#from;
    const length = this.#at - from;
    this.#from = writer.reserve(length + count);
    this.#at = this.#from + length;
    this.#bytes = writer.bytes;
    this.#view = writer.view;
    previous.copy(this.#bytes, this.#from, from, from + length);
  }

  #byte(byte: number): void {
    const at = this.#room(ROOM);
    this.#bytes[at] = byte;
    this.#at = at + 1;
  }

  #unsigned(value: number, at: number): void {
    if (value < 0x100) {
      this.#view.setUint16(at, 0xcc00 | value);
      this.#at = at + 2;
    } else if (value < 0x10000) {
      this.#bytes[at] = 0xcd;
      this.#view.setUint16(at + 1, value);
      this.#at = at + 3;
    } else {
      this.#bytes[at] = 0xce;
      this.#view.setUint32(at + 1, value);
      this.#at = at + 5;
    }
  }

  #negative(value: number, at: number): void {
    if (value >= -0x20) {
      this.#bytes[at] = value;
      this.#at = at + 1;
    } else if (value >= -0x80) {
      this.#view.setUint16(at, 0xd000 | (value & 0xff));
      this.#at = at + 2;
    } else if (value >= -0x8000) {
      this.#bytes[at] = 0xd1;
      this.#view.setInt16(at + 1, value);
      this.#at = at + 3;
    } else {
      this.#bytes[at] = 0xd2;
      this.#view.setInt32(at + 1, value);
      this.#at = at + 5;
    }
  }

  #longText(text: string): void {
    // Room for the longest it can become; where that is much, it is measured first.
    const most = text.length * BYTES_PER_UNIT_MAX;
    const bytesMax = most < 0x10000 ? most : Buffer.byteLength(text);
    const at = this.#room(ROOM + bytesMax);
    this.#at = writeLongUtf8(text, bytesMax, this.#bytes, at);
  }

  /** Writes a count or length of at least 16; `token16` is the token for 16 bits, 32 is the next. */
  #wideHead(count: number, token16: number): void {
    const at = this.#room(ROOM);
    if (count < 0x10000) {
      this.#bytes[at] = token16;
      this.#view.setUint16(at + 1, count);
      this.#at = at + 3;
    } else {
      this.#bytes[at] = token16 + 1;
      this.#view.setUint32(at + 1, count);
      this.#at = at + 5;
    }
  }
}
