import { performance } from "node:perf_hooks";
import { TURN_MS_MAX } from "../clock.ts";
import { ASIDE_SLAB_BYTES, ByteWriter } from "../codec/byte-writer.ts";
import { encodesAlready } from "../codec/codec-error.ts";
import { tooManyBytes } from "../codec/elements.ts";
import { beginOf, FrameDivision } from "./frame-division.ts";
import type { Framing } from "./framing/framing.ts";
import { joinHeaders } from "./headers.ts";
import { HEADER_BYTES_MIN } from "./headers-bound.ts";

/** The receiver of full frames. */
export interface FrameSink<K> {
  /** Whether a frame written now is sent immediately. */
  readonly idle: boolean;
  /** Number of peers that share the frames; 0 and 1 have the same effect (count). */
  readonly peers: number;
  /**
   * Takes ownership of `frame`, which holds `count` values of the run `key`, and the headers of all
   * of them, or of none.
   */
  write(frame: Buffer, count: number, key: K, headers: Buffer | null): void;
  /** Takes ownership of values of several keys. Without it a change of key ends a frame. */
  writeMixed?(mixed: MixedValues<K>): void;
}

/** Gathered values of several keys, in the order in which they were added. Valid during the call only. */
export interface MixedValues<K> {
  /** The encoded values, one after another. */
  readonly bytes: Buffer;
  /** End of each value (byte offset in `bytes`). */
  readonly ends: readonly number[];
  /** Values (count); `ends` may be longer. */
  readonly count: number;
  /** Key of each run of values with the same key. */
  readonly keys: readonly K[];
  /** Index of the first value of each run. */
  readonly starts: readonly number[];
  /** Encoded headers of each value; null where none has any. */
  readonly headers: readonly Buffer[] | null;
}

/** Limits of a {@link Batcher}. */
export interface BatcherLimits {
  /** Bytes that force a flush; a larger message gets a frame of its own. */
  readonly batchBytesMax: number;
  /** Values that force a flush (count). */
  readonly batchCountMax: number;
  /** Longest encoding of one message (bytes). */
  readonly messageBytesMax: number;
  /** Most headers of a frame, unless they are of one message (count). Default: no limit. */
  readonly headersTogetherMax?: number;
}

/**
 * Messages of one turn of the event loop that get frames of their own while the sink is idle
 * (count). A lone message, or a short reply, is therefore never delayed;
 * bench/scenarios/batch-size.ts shows the effect.
 */
const EAGER_MAX = 4;
/** Most frames that are gathered before they are distributed to several peers (count). */
const GATHERED_MAX = 16;
/** Frames that are gathered while values have several keys (count). */
const GATHERED_MIXED = 8;

/**
 * Gathers messages into frames without adding latency.
 *
 * The first messages after an idle period are sent immediately. Later ones, in the same turn of the
 * event loop or while the sink is busy, share frames. A frame is flushed when it is full, when the
 * turn ends, or when the sink becomes idle. No timer is involved.
 *
 * With several peers a burst is distributed evenly: values are gathered until there is a frame for
 * each peer or the turn ends; then each peer's share becomes a frame.
 *
 * A change of key ends a frame: all values of a frame have one key, and order is kept. So does a
 * change between messages with headers and without, so that frames without headers stay readable by
 * peers that read values alone.
 *
 * @see docs/decisions/0002-adaptive-batching.md
 */
export class Batcher<T, K> {
  readonly #framing: Framing<T>;
  readonly #sink: FrameSink<K>;
  readonly #batchBytesMax: number;
  readonly #batchCountMax: number;
  readonly #overheadBytes: number;
  /** Longest message, with its framing overhead (bytes). */
  readonly #valueBytesMax: number;
  readonly #division: FrameDivision;
  readonly #writer = new ByteWriter();
  /** Buffer for values that are encoded before they can be added; null until the first. */
  #aside: ByteWriter | null = null;
  /** End of each gathered value, relative to the start of the open piece (bytes). */
  readonly #ends: number[] = [];
  #count = 0;
  #key: K;
  /** Whether values of several keys may be gathered. */
  readonly #mixes: boolean;
  /** Key and first index of each run of values with one key; empty while there is one run. */
  readonly #runKeys: K[] = [];
  readonly #runStarts: number[] = [];
  /** Whether the gathered values have headers. */
  #isHeaded = false;
  /** The encoded headers of each gathered value, if any, and their total length (bytes). */
  readonly #headers: Buffer[] = [];
  #headerBytes = 0;
  /** Whether a value is being encoded, which may run code of the application. */
  #isEncoding = false;
  #turnOpen = false;
  #turnStartMs = 0;
  #eager = 0;
  #due = false;
  #overlong = false;

  constructor(
    framing: Framing<T>,
    sink: FrameSink<K>,
    options: BatcherLimits & { readonly key: K },
  ) {
    this.#framing = framing;
    this.#sink = sink;
    this.#mixes = sink.writeMixed !== undefined;
    const { batchBytesMax, batchCountMax } = options;
    this.#batchBytesMax = batchBytesMax;
    this.#batchCountMax = batchCountMax;
    // In bytes that many headers have at least, which needs no count of them.
    const headersMax = options.headersTogetherMax ?? Number.POSITIVE_INFINITY;
    const headersBytesMax = headersMax * HEADER_BYTES_MIN;
    this.#division = new FrameDivision({ batchBytesMax, batchCountMax, headersBytesMax });
    this.#overheadBytes = framing.overheadBytes;
    this.#valueBytesMax = options.messageBytesMax + framing.overheadBytes;
    this.#key = options.key;
  }

  /** Bytes gathered and not yet written to the sink. */
  get bytes(): number {
    return this.#writer.length + this.#headerBytes;
  }

  /** Values gathered and not yet written to the sink (count). */
  get count(): number {
    return this.#count;
  }

  /** Memory held for writing (bytes). */
  get slabBytes(): number {
    return this.#writer.bytes.length + (this.#aside?.bytes.length ?? 0);
  }

  /** Whether this turn of the event loop has lasted too long: the caller should yield to others. */
  get overlong(): boolean {
    return this.#overlong;
  }

  /**
   * Encodes a value that cannot be added yet, because its owner may change it meanwhile.
   *
   * @returns the argument for `addEncoded`
   * @throws BrokerlessError as `add`
   */
  encode(value: T): Buffer {
    if (this.#isEncoding) throw encodesAlready();
    this.#aside ??= new ByteWriter(null, ASIDE_SLAB_BYTES);
    this.#append(value, this.#aside);
    const { length } = this.#aside;
    if (length > this.#valueBytesMax) this.#refuse(this.#aside, 0);
    return this.#aside.take();
  }

  /**
   * Encodes `value` after the gathered values.
   *
   * @param headers encoded; null for none
   * @throws BrokerlessError `BROKERLESS_CODEC` or `BROKERLESS_TOO_LARGE`; nothing is gathered then
   */
  add(value: T, key: K, headers: Buffer | null): void {
    if (this.#isEncoding) throw encodesAlready();
    if (key !== this.#key || headers !== null || this.#isHeaded) this.#continueRun(key, headers);
    const writer = this.#writer;
    const before = writer.length;
    this.#append(value, writer);
    const { length } = writer;
    // Nearly all messages end here. The rest is in functions of its own, so that V8 compiles this
    // path in one piece.
    if (
      headers === null &&
      this.#turnOpen &&
      length < this.#batchBytesMax &&
      length - before <= this.#valueBytesMax &&
      this.#count + 1 < this.#batchCountMax &&
      (this.#eager >= EAGER_MAX || !this.#sink.idle)
    ) {
      this.#ends[this.#count++] = length;
    } else this.#gather(before, headers);
  }

  /** Like `add`, for the result of `encode`. */
  addEncoded(bytes: Buffer, key: K, headers: Buffer | null): void {
    this.#continueRun(key, headers);
    const before = this.#writer.length;
    this.#writer.append(bytes);
    this.#gather(before, headers);
  }

  /** Writes everything gathered to the sink now; at the end of the turn where a value is being encoded. */
  flush(): void {
    if (this.#count > 0 && !this.#isEncoding) this.#deal();
  }

  /** The sink is idle again: flushes what has waited for it. */
  onIdle(): void {
    if (!this.#due) return;
    this.#due = false;
    this.flush();
    if (!this.#turnOpen) this.#release();
  }

  #append(value: T, writer: ByteWriter): void {
    this.#isEncoding = true;
    try {
      this.#framing.append(value, writer);
    } finally {
      this.#isEncoding = false;
    }
  }

  /**
   * An idle sender should hold little memory. Called once for each turn, not for each frame: the
   * frames of a turn share a slab.
   */
  #release(): void {
    this.#writer.release();
    this.#aside?.release();
  }

  /** Flushes the gathered values when the next message must not share a frame with them. */
  #continueRun(key: K, headers: Buffer | null): void {
    const isHeaded = headers !== null;
    if (key === this.#key && isHeaded === this.#isHeaded) return;
    if (this.#count > 0) {
      if (isHeaded === this.#isHeaded && this.#mixes) this.#startRun(key);
      else this.#endRun();
    }
    this.#key = key;
    this.#isHeaded = isHeaded;
  }

  #startRun(key: K): void {
    if (this.#runKeys.length === 0) {
      this.#runKeys.push(this.#key);
      this.#runStarts.push(0);
    }
    this.#runKeys.push(key);
    this.#runStarts.push(this.#count);
  }

  /** Records an appended message. @param before length of the writer before it (bytes) */
  #gather(before: number, headers: Buffer | null): void {
    const writer = this.#writer;
    let { length } = writer;
    const bytes = length - before;
    if (bytes > this.#valueBytesMax) this.#refuse(writer, before);
    const beside = headers === null ? 0 : headers.length;
    const load = length + this.#headerBytes + beside;
    if (load > this.#batchBytesMax && before > 0) {
      this.#makeRoom(load);
      length = writer.length;
    }
    if (headers !== null) this.#keepHeaders(headers);
    this.#ends[this.#count++] = length;
    if (!this.#turnOpen) this.#openTurn();
    const isFull = length + this.#headerBytes >= this.#batchBytesMax;
    if (isFull || this.#count >= this.#batchCountMax) {
      this.#flushFull(bytes + beside);
    } else if (this.#eager < EAGER_MAX && this.#sink.idle) {
      this.#eager += 1;
      this.flush();
    }
  }

  #refuse(writer: ByteWriter, before: number): void {
    const bytes = writer.length - before - this.#overheadBytes;
    const bytesMax = this.#valueBytesMax - this.#overheadBytes;
    writer.rewind(before);
    throw tooManyBytes(bytesMax, bytes);
  }

  /** Frames to gather before they are distributed: one for each peer (count). */
  #gathered(): number {
    if (this.#runKeys.length > 0) return GATHERED_MIXED;
    return Math.max(1, Math.min(this.#sink.peers, GATHERED_MAX));
  }

  /**
   * The newest value does not fit: flushes the values before it, and starts the next frame with it.
   */
  #makeRoom(length: number): void {
    if (length > this.#batchBytesMax * this.#gathered()) this.#deal();
  }

  /**
   * Flushes unless another value of the same length fits into each peer's share.
   *
   * @param bytes length of the newest value
   */
  #flushFull(bytes: number): void {
    const gathered = this.#gathered();
    const bytesMax =
      gathered === 1 ? this.#batchBytesMax : (this.#batchBytesMax - bytes) * gathered;
    if (this.bytes < bytesMax && this.#count < this.#batchCountMax * gathered) return;
    this.#deal();
    this.#checkTurn();
  }

  #keepHeaders(headers: Buffer): void {
    this.#headers[this.#count] = headers;
    this.#headerBytes += headers.length;
  }

  #endRun(): void {
    this.#deal();
    this.#checkTurn();
  }

  #checkTurn(): void {
    if (!this.#turnOpen) return;
    if (performance.now() - this.#turnStartMs > TURN_MS_MAX) this.#overlong = true;
  }

  #openTurn(): void {
    this.#turnOpen = true;
    this.#turnStartMs = performance.now();
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#turnOpen = false;
    this.#overlong = false;
    this.#eager = 0;
    if (this.#count > 0 && !this.#sink.idle) {
      this.#due = true;
      return;
    }
    this.flush();
    this.#release();
  };

  /** Writes the gathered values to the sink, in frames. */
  #deal(): void {
    const count = this.#count;
    if (this.#runKeys.length > 0) {
      this.#dealMixed(count);
      return;
    }
    this.#count = 0;
    const ends = this.#ends;
    const headers = this.#isHeaded ? this.#headers : null;
    const peers = Math.max(1, this.#sink.peers);
    this.#division.divide({ ends, count, headers }, peers, (first, next) => {
      const bytes = ends[next - 1]! - beginOf(ends, first);
      const joined = headers === null ? null : joinHeaders(headers.slice(first, next));
      this.#sink.write(this.#writer.take(bytes), next - first, this.#key, joined);
    });
    this.#headers.length = 0;
    this.#headerBytes = 0;
  }

  #dealMixed(count: number): void {
    this.#count = 0;
    this.#sink.writeMixed!({
      bytes: this.#writer.take(this.#ends[count - 1]!),
      ends: this.#ends,
      count,
      keys: this.#runKeys,
      starts: this.#runStarts,
      headers: this.#isHeaded ? this.#headers : null,
    });
    this.#runKeys.length = 0;
    this.#runStarts.length = 0;
    this.#headers.length = 0;
    this.#headerBytes = 0;
  }
}
