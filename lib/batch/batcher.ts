import { performance } from "node:perf_hooks";
import { ByteWriter } from "../codec/byte-writer.ts";
import { BrokerlessError } from "../errors.ts";
import type { Framing } from "./framing.ts";

/** Where full frames go. */
export interface FrameSink<K> {
  /** Whether a frame written now leaves at once. */
  readonly idle: boolean;
  /** How many peers share the frames; 0 and 1 are alike (count). */
  readonly peers: number;
  /** Takes over `frame`, which holds `count` values of the run `key`. */
  write(frame: Buffer, count: number, key: K): void;
}

/** Limits of a {@link Batcher}. */
export interface BatcherLimits {
  /** Bytes that force a frame out; a larger message goes alone. */
  readonly batchBytesMax: number;
  /** Values that force a frame out (count). */
  readonly batchCountMax: number;
  /** Longest encoding of one message (bytes). */
  readonly messageBytesMax: number;
}

/**
 * Messages of one turn of the event loop that leave in frames of their own while the sink is idle (count).
 * A lone message, or a short answer, thus never waits; bench/batch-size.ts shows the effect.
 */
const EAGER_MAX = 4;
/** Frames gathered at most before they are dealt out to several peers (count). */
const GATHERED_MAX = 16;
/** A turn of the event loop longer than this is too long for timers and other sockets (milliseconds). */
const TURN_MS_MAX = 8;

/**
 * Gathers messages into frames without adding latency.
 *
 * The first messages after idle leave at once. What comes later in the same turn of the event loop, or
 * while the sink is busy, shares frames, which go out when they are full, when the turn ends, or when
 * the sink is idle again. No timer is involved.
 *
 * With several peers a burst is dealt out evenly: values gather until there is a frame for each peer
 * or the turn ends, then every peer's share is a frame.
 *
 * A change of key ends a frame: all values of a frame have one key, and order is kept.
 *
 * @see docs/decisions/0002-adaptive-batching.md
 */
export class Batcher<T, K> {
  readonly #framing: Framing<T>;
  readonly #sink: FrameSink<K>;
  readonly #batchBytesMax: number;
  readonly #batchCountMax: number;
  readonly #messageBytesMax: number;
  readonly #writer = new ByteWriter();
  /** End of each gathered value, counted from the start of the open piece (bytes). */
  readonly #ends: number[] = [];
  #count = 0;
  #key: K;
  #turnOpen = false;
  #turnStartMs = 0;
  #eager = 0;
  #due = false;
  #overlong = false;
  /** Who gets what cannot be divided evenly: how many peers after the one whose turn it is (count). */
  #favoured = 0;

  constructor(
    framing: Framing<T>,
    sink: FrameSink<K>,
    options: BatcherLimits & { readonly key: K },
  ) {
    this.#framing = framing;
    this.#sink = sink;
    this.#batchBytesMax = options.batchBytesMax;
    this.#batchCountMax = options.batchCountMax;
    this.#messageBytesMax = options.messageBytesMax;
    this.#key = options.key;
  }

  /** Bytes gathered and not yet written to the sink. */
  get bytes(): number {
    return this.#writer.length;
  }

  /** Values gathered and not yet written to the sink (count). */
  get count(): number {
    return this.#count;
  }

  /** Whether this turn of the event loop has gone on for too long: the caller should let others run. */
  get overlong(): boolean {
    return this.#overlong;
  }

  /**
   * Encodes `value` behind what is gathered.
   *
   * @throws BrokerlessError `BROKERLESS_CODEC` or `BROKERLESS_TOO_LARGE`; nothing is gathered then
   */
  add(value: T, key: K): void {
    if (key !== this.#key) {
      if (this.#count > 0) this.#endRun();
      this.#key = key;
    }
    const writer = this.#writer;
    const before = writer.length;
    this.#framing.append(value, writer);
    const { length } = writer;
    if (length - before > this.#messageBytesMax) this.#refuse(before);
    if (length > this.#batchBytesMax && before > 0) this.#makeRoom(length);
    this.#ends[this.#count++] = writer.length;
    if (!this.#turnOpen) this.#openTurn();
    if (writer.length >= this.#batchBytesMax || this.#count >= this.#batchCountMax) {
      this.#flushFull(length - before);
    } else if (this.#eager < EAGER_MAX && this.#sink.idle) {
      this.#eager += 1;
      this.flush();
    }
  }

  /** Writes all that is gathered to the sink now. */
  flush(): void {
    if (this.#count > 0) this.#deal();
  }

  /** The sink is idle again: what has waited for it goes. */
  onIdle(): void {
    if (!this.#due) return;
    this.#due = false;
    this.flush();
  }

  #refuse(before: number): void {
    const bytes = this.#writer.length - before;
    this.#writer.rewind(before);
    throw new BrokerlessError(
      "BROKERLESS_TOO_LARGE",
      `the encoded message has ${bytes} bytes; messageBytesMax is ${this.#messageBytesMax}`,
    );
  }

  /** Frames to gather before they are dealt out: one for each peer (count). */
  #gathered(): number {
    return Math.max(1, Math.min(this.#sink.peers, GATHERED_MAX));
  }

  /** The newest value does not fit: what was gathered before it goes, and it begins the next frame. */
  #makeRoom(length: number): void {
    if (length > this.#batchBytesMax * this.#gathered()) this.#deal();
  }

  /** @param bytes length of the newest value: another one for each peer must fit, or the frames are full */
  #flushFull(bytes: number): void {
    const gathered = this.#gathered();
    const bytesMax =
      gathered === 1 ? this.#batchBytesMax : (this.#batchBytesMax - bytes) * gathered;
    if (this.#writer.length < bytesMax && this.#count < this.#batchCountMax * gathered) return;
    this.#deal();
    this.#checkTurn();
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
    if (this.#count === 0) return;
    if (this.#sink.idle) this.flush();
    else this.#due = true;
  };

  /**
   * Cuts what is gathered into shares for all peers, and those into frames where one is too long. What
   * cannot be divided goes to another peer each time.
   */
  #deal(): void {
    const count = this.#count;
    const peers = Math.max(1, this.#sink.peers);
    const shares = Math.min(count, peers * this.#framesEach(count, peers));
    const extras = count % shares;
    const each = (count - extras) / shares;
    const favoured = this.#favoured % shares;
    this.#count = 0;
    let frames = 0;
    let first = 0;
    for (let share = 0; share < shares; share++) {
      const last = first + each + ((share - favoured + shares) % shares < extras ? 1 : 0);
      while (first < last) {
        const next = this.#cutBefore(first, last);
        const bytes = this.#ends[next - 1]! - this.#begin(first);
        this.#sink.write(this.#writer.take(bytes), next - first, this.#key);
        first = next;
        frames += 1;
      }
    }
    this.#favoured = (((this.#favoured + extras - frames) % peers) + peers) % peers;
  }

  /** Frames that each peer must get so that none is too long (count). */
  #framesEach(count: number, peers: number): number {
    if (peers === 1 || peers >= count) return 1;
    let most = 1;
    let first = 0;
    for (let share = 1; share <= peers; share++) {
      const last = Math.floor((count * share) / peers);
      let frames = 0;
      for (; first < last; frames++) first = this.#cutBefore(first, last);
      if (frames > most) most = frames;
    }
    return most;
  }

  /** @returns the index after the last value that still fits a frame begun at `first` */
  #cutBefore(first: number, last: number): number {
    const limit = this.#begin(first) + this.#batchBytesMax;
    const most = Math.min(last, first + this.#batchCountMax);
    if (this.#ends[most - 1]! <= limit) return most;
    let next = first + 1;
    while (next < most && this.#ends[next]! <= limit) next += 1;
    return next;
  }

  /** Where the value at `index` begins, counted from the start of the open piece (bytes). */
  #begin(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!;
  }
}
