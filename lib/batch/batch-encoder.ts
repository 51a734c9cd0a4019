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

/** What the writer of a stream knows when it seals a batch. */
export interface BatchSeal {
  /** The 16 bytes of the stream id. */
  readonly stream: Uint8Array;
  /** Epoch of the stream (from 1). */
  readonly epoch: number;
  /** Sequence number of the first entry. */
  readonly seqFirst: number;
  /** Highest seq that the journal holds durably; 0 where there is none. */
  readonly durableBefore: number;
  /** Now (ms since 1970). */
  readonly timeMs: number;
}

/**
 * Entries that are encoded, and do not yet have their place in a stream.
 *
 * `bytes` is the headroom, the header's room and the entries. `seal` fills in the header in place;
 * from then on `batch` is what goes to the wire, to the log and into memory.
 */
export class BatchDraft {
  /** The batch: header, and the encoded entries. */
  readonly bytes: Buffer;
  /** Entries in it (count). */
  readonly count: number;
  /** The number of the codec of its values. */
  readonly codec: number;

  /** @param bytes headroom, header and entries in one piece, which now belongs to the draft */
  constructor(bytes: Buffer, count: number, codec: number) {
    this.bytes = bytes;
    this.count = count;
    this.codec = codec;
  }

  /** The batch; valid once sealed. */
  get batch(): Buffer {
    return this.bytes.subarray(BATCH_HEADROOM_BYTES);
  }

  /** Writes the header and its checksum. May be called again while nobody has seen the bytes. */
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

/** Sizes and meaning of what a {@link BatchEncoder} makes. */
export interface BatchEncoderOptions {
  /** The number of the codec that made the values; 0 (bytes) where nobody needs to know. */
  readonly codec?: number;
  /** Where memory comes from; without it, it is new. */
  readonly slabs?: SlabSource;
}

/**
 * Encodes entries one behind the other into a growing buffer; each byte is written once.
 *
 * A codec may write straight into `writer` between `begin` and `finish`. Drafts that follow each
 * other usually lie next to each other in memory, so that a journal can write many with one call.
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

  /** Length that the open draft has by now, headroom and header included (bytes). */
  get bytes(): number {
    return this.writer.length;
  }

  /** Appends a value that has nothing beside it. The bytes are copied. */
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
   * Appends a value with what stands beside it.
   *
   * @throws TypeError for a key, header or time that does not fit
   */
  addEntry(entry: EntryInput): void {
    this.begin(entry);
    this.writer.append(entry.value);
    this.finish();
  }

  /**
   * Starts an entry whose value the caller then appends to `writer`; `finish` ends it.
   *
   * @throws TypeError for a key, header or time that does not fit; nothing was written then
   */
  begin(meta?: EntryMeta): void {
    const encoded = meta === undefined ? null : encodeMeta(meta);
    this.#entryAt = this.writer.length;
    this.writer.end = this.writer.reserve(ENTRY_WORD_BYTES) + ENTRY_WORD_BYTES;
    this.#valueFlags = encoded === null ? 0 : encoded.flags;
    if (encoded !== null && encoded.bytes.length > 0) this.writer.append(encoded.bytes);
  }

  /** As `begin`, for headers that `encodeHeaders` has encoded. */
  beginWithHeaders(headers: Buffer): void {
    this.begin();
    this.#valueFlags = ENTRY_FLAG.headers;
    this.writer.append(headers);
  }

  /**
   * Ends the entry that `begin` started.
   *
   * @throws BrokerlessError BROKERLESS_TOO_LARGE above 2^28 - 1 bytes; the entry is taken back
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

  /** Takes back the entry that `begin` started: the way out when a codec throws. */
  abort(): void {
    this.writer.rewind(this.#entryAt);
  }

  /** Takes back everything after a point that the caller remembered. */
  rewind(to: { readonly bytes: number; readonly count: number }): void {
    this.writer.rewind(to.bytes);
    this.#count = to.count;
  }

  /** @returns the open draft, which must not be empty; the next one is open afterwards */
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
