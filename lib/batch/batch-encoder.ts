import { crc32 } from "node:zlib";
import { ByteWriter, type SlabSource } from "../codec/byte-writer.ts";
import { BrokerlessError } from "../errors.ts";
import { type EntryInput, type EntryMeta, encodeMeta } from "./entry.ts";
import {
  BATCH,
  BATCH_HEADER_BYTES,
  BATCH_HEADROOM_BYTES,
  BATCH_MAGIC,
  BATCH_VERSION,
  CODEC_BYTES,
  ENTRY_BYTES_MAX,
  ENTRY_FLAG,
  ENTRY_WORD_BYTES,
  putU16,
  putU32,
  putU64,
} from "./layout.ts";

const FRONT_BYTES = BATCH_HEADROOM_BYTES + BATCH_HEADER_BYTES;

/** The fields that the writer of a stream fills in when it seals a batch. */
export interface BatchSeal {
  /** The 16 bytes of the stream id. */
  readonly stream: Uint8Array;
  /** Epoch of the stream (from 1). */
  readonly epoch: number;
  /** Sequence number of the first entry. */
  readonly seqFirst: number;
  /** Highest sequence number that the journal holds durably; 0 for none. */
  readonly durableBefore: number;
  /** Current time (ms since 1970). */
  readonly timeMs: number;
}

/**
 * Encoded entries without a place in a stream yet.
 *
 * `bytes` is the headroom, room for the header, and the entries. `seal` fills in the header in
 * place; after that `batch` is what goes to the wire, to the log and into memory.
 */
export class BatchDraft {
  /** Headroom, room for the header, and the encoded entries, in one piece. */
  readonly bytes: Buffer;
  /** Entries in it (count). */
  readonly count: number;
  /** The number of the codec of its values. */
  readonly codec: number;

  /**
   * @param bytes headroom, header and entries in one piece, which now belongs to the draft
   * @param count entries in it (count)
   * @param codec number of the codec of the values
   */
  constructor(bytes: Buffer, count: number, codec: number) {
    this.bytes = bytes;
    this.count = count;
    this.codec = codec;
  }

  /** The batch without the headroom; valid once sealed. */
  get batch(): Buffer {
    return this.bytes.subarray(BATCH_HEADROOM_BYTES);
  }

  /**
   * Writes the header and its checksum. May be called again as long as nobody has read the bytes.
   */
  seal(seal: BatchSeal): void {
    const { bytes } = this;
    const at = BATCH_HEADROOM_BYTES;
    putU32(bytes, at + BATCH.bytes, bytes.length - at);
    putU16(bytes, at + BATCH.magic, BATCH_MAGIC);
    bytes[at + BATCH.version] = BATCH_VERSION;
    bytes[at + BATCH.flags] = 0;
    putU32(bytes, at + BATCH.codec, this.codec);
    bytes.set(seal.stream, at + BATCH.stream);
    putU32(bytes, at + BATCH.epoch, seal.epoch);
    putU32(bytes, at + BATCH.count, this.count);
    putU64(bytes, at + BATCH.seqFirst, seal.seqFirst);
    putU64(bytes, at + BATCH.durableBefore, seal.durableBefore);
    putU64(bytes, at + BATCH.timeMs, seal.timeMs);
    putU32(bytes, at + BATCH.checksum, crc32(bytes.subarray(at + BATCH.bytes)));
  }
}

/** Options of a {@link BatchEncoder}. */
export interface BatchEncoderOptions {
  /** The number of the codec of the values. Default 0: bytes of no particular format. */
  readonly codec?: number;
  /** Source of the memory. Default: new memory for each slab. */
  readonly slabs?: SlabSource;
}

/**
 * Encodes entries one after another into a growing buffer; each byte is written once.
 *
 * A codec may write straight into `writer` between `begin` and `finish`. Consecutive drafts usually
 * lie next to each other in memory, so that a journal can write many with one system call.
 *
 * @example
 * ```ts
 * const encoder = new BatchEncoder();
 * encoder.add(Buffer.from("first"));
 * encoder.addEntry({ value: Buffer.from("second"), key: "customer-7" });
 * await journal.appendDraft(encoder.take());
 * ```
 *
 * @see docs/wire-format.md for the byte layout
 */
export class BatchEncoder {
  /** Where the value of the next entry is written. */
  readonly writer: ByteWriter;
  readonly #codec: number;
  #count = 0;
  #entryAt = 0;
  #valueFlags = 0;

  constructor(options: BatchEncoderOptions = {}) {
    this.writer = new ByteWriter(options.slabs ?? null);
    this.#codec = options.codec ?? CODEC_BYTES;
    this.#open();
  }

  /** Entries in the open draft (count). */
  get count(): number {
    return this.#count;
  }

  /** Current length of the open draft, headroom and header included (bytes). */
  get bytes(): number {
    return this.writer.length;
  }

  /**
   * Appends a value without metadata. The bytes are copied.
   *
   * @throws BrokerlessError BROKERLESS_TOO_LARGE above 2^28 - 1 bytes; nothing was written then
   */
  add(value: Uint8Array): void {
    const { writer } = this;
    const length = value.length;
    if (length > ENTRY_BYTES_MAX) throw tooLarge(length);
    const at = writer.reserve(length + ENTRY_WORD_BYTES);
    const { bytes } = writer;
    bytes[at] = length;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length >>> 16;
    bytes[at + 3] = length >>> 24;
    bytes.set(value, at + ENTRY_WORD_BYTES);
    writer.end = at + ENTRY_WORD_BYTES + length;
    this.#count++;
  }

  /**
   * Appends a value with its metadata. The bytes are copied.
   *
   * @throws TypeError for an invalid key, header or time
   * @throws BrokerlessError BROKERLESS_TOO_LARGE above 2^28 - 1 bytes
   */
  addEntry(entry: EntryInput): void {
    this.begin(entry);
    this.writer.append(entry.value);
    this.finish();
  }

  /**
   * Starts an entry. The caller then appends its value to `writer`, and `finish` ends it.
   *
   * @throws TypeError for an invalid key, header or time; nothing was written then
   */
  begin(meta?: EntryMeta): void {
    const encoded = meta === undefined ? null : encodeMeta(meta);
    this.#entryAt = this.writer.length;
    this.writer.end = this.writer.reserve(ENTRY_WORD_BYTES) + ENTRY_WORD_BYTES;
    this.#valueFlags = encoded === null ? 0 : encoded.flags;
    if (encoded !== null && encoded.bytes.length > 0) this.writer.append(encoded.bytes);
  }

  /** Like `begin`, for headers that `encodeHeaders` has encoded. @param meta without headers */
  beginWithHeaders(headers: Buffer, meta?: EntryMeta): void {
    this.begin(meta);
    this.#valueFlags |= ENTRY_FLAG.headers;
    this.writer.append(headers);
  }

  /**
   * Ends the entry that `begin` started.
   *
   * @throws BrokerlessError BROKERLESS_TOO_LARGE above 2^28 - 1 bytes; the entry is removed again
   */
  finish(): void {
    const { writer } = this;
    const length = writer.length - this.#entryAt - ENTRY_WORD_BYTES;
    if (length > ENTRY_BYTES_MAX) {
      this.abort();
      throw tooLarge(length);
    }
    const word = (length | (this.#valueFlags << 28)) >>> 0;
    putU32(writer.bytes, writer.start + this.#entryAt, word);
    this.#count++;
  }

  /** Removes the entry that `begin` started: the recovery when a codec throws. */
  abort(): void {
    this.writer.rewind(this.#entryAt);
  }

  /** Removes everything after a position that the caller saved. */
  rewind(to: { readonly bytes: number; readonly count: number }): void {
    this.writer.rewind(to.bytes);
    this.#count = to.count;
  }

  /**
   * Ends the open draft, which must not be empty, and opens the next one.
   *
   * @returns the draft, to be sealed by its journal
   */
  take(): BatchDraft {
    const draft = new BatchDraft(this.writer.take(), this.#count, this.#codec);
    this.#count = 0;
    this.#open();
    return draft;
  }

  #open(): void {
    this.writer.end = this.writer.reserve(FRONT_BYTES) + FRONT_BYTES;
  }
}

function tooLarge(bytes: number): BrokerlessError {
  return new BrokerlessError(
    "BROKERLESS_TOO_LARGE",
    `an entry holds at most ${ENTRY_BYTES_MAX} bytes, this one has ${bytes}`,
  );
}
