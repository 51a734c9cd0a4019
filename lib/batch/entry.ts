import { isWellFormed } from "../codec/well-formed.ts";
import { expected, isPlain, quoted } from "../options.ts";
import {
  decodeHeaders,
  HEADERS_WANTED,
  type HeaderLimits,
  type MessageHeaders,
  NO_HEADERS,
} from "./headers.ts";
import {
  ENTRY_BYTES_MAX,
  ENTRY_FLAG,
  getU16,
  getU32,
  getU64,
  putU16,
  putU32,
  putU64,
  TIME_FLAG,
} from "./layout.ts";

/** Metadata of an entry. All of it can be read without decoding the value. */
export interface EntryMeta {
  /** Groups related entries; at most 65 535 bytes of UTF-8. Default: none. */
  readonly key?: string | undefined;
  /**
   * Headers for intermediaries: names of 1 to 255 bytes, texts of at most 65 535 bytes (UTF-8).
   * Default: none.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** When the message was created (ms since 1970). Default: not recorded. */
  readonly createdAtMs?: number | undefined;
  /** Earliest time of delivery (ms since 1970). Default: at once. */
  readonly notBeforeMs?: number | undefined;
  /** Time from which on the message is expired (ms since 1970). Default: never. */
  readonly expiresAtMs?: number | undefined;
}

/** An encoded value with its metadata. */
export interface EntryInput extends EntryMeta {
  /** The bytes to store. */
  readonly value: Uint8Array;
}

/**
 * Encoded metadata, which stands in front of the value:
 *
 * | part    | present with    | bytes                                                                |
 * |---------|-----------------|----------------------------------------------------------------------|
 * | times   | flag 4          | mask u8 (1 created, 2 not before, 4 expires), then a u64 ms for each |
 * | key     | flag 1          | length u16, UTF-8                                                    |
 * | headers | flag 2          | length of what follows u32; for each: name length u8, name, text     |
 * |         |                 | length u16, text                                                     |
 */
export interface EncodedMeta {
  /** {@link ENTRY_FLAG} bits. */
  readonly flags: number;
  readonly bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const TEXT = "a well-formed string of at most 65 535 bytes";
const TIMES = ["createdAtMs", "notBeforeMs", "expiresAtMs"] as const;

/**
 * @returns the encoded parts; they belong to the caller
 * @throws TypeError for an invalid key, header or time
 */
export function encodeMeta(meta: EntryMeta): EncodedMeta {
  const parts: Uint8Array[] = [];
  let flags = 0;
  const times = encodeTimes(meta);
  if (times !== null) {
    flags |= ENTRY_FLAG.times;
    parts.push(times);
  }
  if (meta.key !== undefined) {
    flags |= ENTRY_FLAG.key;
    parts.push(encodeKey(meta.key));
  }
  if (meta.headers !== undefined) {
    flags |= ENTRY_FLAG.headers;
    parts.push(encodeHeaders(meta.headers));
  }
  return { flags, bytes: parts.length === 0 ? NOTHING : Buffer.concat(parts) };
}

function encodeTimes(meta: EntryMeta): Uint8Array | null {
  const present = TIMES.filter((name) => meta[name] !== undefined);
  if (present.length === 0) return null;
  const bytes = new Uint8Array(1 + 8 * present.length);
  present.forEach((name, index) => {
    const time = meta[name];
    if (typeof time !== "number" || !Number.isSafeInteger(time) || time < 0) {
      throw expected(`entry ${name}`, "whole milliseconds since 1970", time);
    }
    bytes[0] = bytes[0]! | TIME_FLAG[name];
    putU64(bytes, 1 + 8 * index, time);
  });
  return bytes;
}

/** Half of a surrogate pair has no UTF-8: the decoded text would differ. */
function fits(text: unknown): boolean {
  return typeof text === "string" && isWellFormed(text) && Buffer.byteLength(text) <= 0xffff;
}

function encodeKey(key: string): Uint8Array {
  if (!fits(key)) throw expected("entry key", TEXT, key);
  const text = Buffer.from(key);
  const bytes = Buffer.allocUnsafe(2 + text.length);
  putU16(bytes, 0, text.length);
  bytes.set(text, 2);
  return bytes;
}

function encodeHeaders(headers: Readonly<Record<string, string>>): Uint8Array {
  if (!isPlain(headers)) throw expected("entry headers", HEADERS_WANTED, headers);
  const parts: Uint8Array[] = [new Uint8Array(4)];
  let length = 0;
  for (const [name, text] of Object.entries(headers)) {
    const nameBytes = Buffer.from(name);
    if (nameBytes.length < 1 || nameBytes.length > 255 || !isWellFormed(name)) {
      throw expected("entry header name", "a well-formed text of 1 to 255 bytes", name);
    }
    if (!fits(text)) throw expected(`entry header ${quoted(name)}`, TEXT, text);
    const textBytes = Buffer.from(text);
    const sizes = [new Uint8Array(1), new Uint8Array(2)] as const;
    sizes[0][0] = nameBytes.length;
    putU16(sizes[1], 0, textBytes.length);
    parts.push(sizes[0], nameBytes, sizes[1], textBytes);
    length += 3 + nameBytes.length + textBytes.length;
  }
  putU32(parts[0]!, 0, length);
  return Buffer.concat(parts);
}

/** One entry of a batch: a view that decodes each part on access. */
export class Entry implements EntryMeta {
  /** Its sequence number in the stream (from 1). */
  readonly seq: number;
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #end: number;
  readonly #flags: number;

  /**
   * @param bytes the batch
   * @param at start of the entry, after its length word (byte offset)
   * @param seq its sequence number
   */
  constructor(bytes: Buffer, at: number, seq: number) {
    const word = getU32(bytes, at - 4);
    this.seq = seq;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = at + (word & ENTRY_BYTES_MAX);
    this.#flags = word >>> 28;
  }

  /** A view of the value's bytes; it keeps the memory of the whole batch alive. */
  get value(): Buffer {
    return this.#bytes.subarray(this.valueAt, this.#end);
  }

  /** Start of the value (byte offset in the batch). */
  get valueAt(): number {
    if (this.#flags === 0) return this.#at;
    const at = this.#headersAt();
    return (this.#flags & ENTRY_FLAG.headers) === 0 ? at : at + 4 + getU32(this.#bytes, at);
  }

  get key(): string | undefined {
    if ((this.#flags & ENTRY_FLAG.key) === 0) return undefined;
    const at = this.#keyAt();
    return this.#bytes.toString("utf8", at + 2, at + 2 + getU16(this.#bytes, at));
  }

  get headers(): Readonly<Record<string, string>> | undefined {
    if ((this.#flags & ENTRY_FLAG.headers) === 0) return undefined;
    let at = this.#headersAt();
    const end = at + 4 + getU32(this.#bytes, at);
    const headers: [string, string][] = [];
    for (at += 4; at < end; ) {
      const nameEnd = at + 1 + this.#bytes[at]!;
      const textEnd = nameEnd + 2 + getU16(this.#bytes, nameEnd);
      const name = this.#bytes.toString("utf8", at + 1, nameEnd);
      headers.push([name, this.#bytes.toString("utf8", nameEnd + 2, textEnd)]);
      at = textEnd;
    }
    return Object.fromEntries(headers);
  }

  /**
   * Decodes the headers of an entry that comes from a peer.
   *
   * @throws BrokerlessError `BROKERLESS_PROTOCOL` for malformed headers, `BROKERLESS_TOO_LARGE`
   *   beyond a limit
   */
  headersWithin(limits: HeaderLimits): MessageHeaders {
    if ((this.#flags & ENTRY_FLAG.headers) === 0) return NO_HEADERS;
    const block = { at: this.#headersAt(), end: this.#end };
    return decodeHeaders(this.#bytes, block, limits).headers;
  }

  get createdAtMs(): number | undefined {
    return this.#time(TIME_FLAG.createdAtMs);
  }

  get notBeforeMs(): number | undefined {
    return this.#time(TIME_FLAG.notBeforeMs);
  }

  get expiresAtMs(): number | undefined {
    return this.#time(TIME_FLAG.expiresAtMs);
  }

  #time(flag: number): number | undefined {
    if ((this.#flags & ENTRY_FLAG.times) === 0) return undefined;
    const mask = this.#bytes[this.#at]!;
    if ((mask & flag) === 0) return undefined;
    return getU64(this.#bytes, this.#at + 1 + 8 * bits(mask & (flag - 1)));
  }

  #keyAt(): number {
    if ((this.#flags & ENTRY_FLAG.times) === 0) return this.#at;
    return this.#at + 1 + 8 * bits(this.#bytes[this.#at]!);
  }

  #headersAt(): number {
    const at = this.#keyAt();
    return (this.#flags & ENTRY_FLAG.key) === 0 ? at : at + 2 + getU16(this.#bytes, at);
  }
}

/**
 * Whether the metadata in front of a value stays inside the entry, so that {@link Entry} never
 * reads beyond it. Pure. Needed for bytes from a peer, which a valid checksum does not make
 * trustworthy.
 */
export function entryIsSound(bytes: Uint8Array, at: number, end: number, flags: number): boolean {
  if (flags === 0) return true;
  if ((flags & ~(ENTRY_FLAG.key | ENTRY_FLAG.headers | ENTRY_FLAG.times)) !== 0) return false;
  if ((flags & ENTRY_FLAG.times) !== 0) {
    if (at >= end || bytes[at]! > 7) return false;
    at += 1 + 8 * bits(bytes[at]!);
  }
  if ((flags & ENTRY_FLAG.key) !== 0) {
    if (at + 2 > end) return false;
    at += 2 + getU16(bytes, at);
  }
  if ((flags & ENTRY_FLAG.headers) === 0) return at <= end;
  if (at + 4 > end) return false;
  const headersEnd = at + 4 + getU32(bytes, at);
  if (headersEnd > end) return false;
  for (at += 4; at < headersEnd; ) {
    at += 1 + bytes[at]!;
    if (at + 2 > headersEnd) return false;
    at += 2 + getU16(bytes, at);
  }
  return at === headersEnd;
}

function bits(mask: number): number {
  return (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1);
}
