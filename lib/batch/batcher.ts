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
      if (this.#count > 0) this.flush();
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
      this.#flushFull();
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

  #flushFull(): void {
    const gathered = this.#gathered();
    const full =
      this.#writer.length >= this.#batchBytesMax * gathered ||
      this.#count >= this.#batchCountMax * gathered;
    if (!full) return;
    this.flush();
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

  /** Cuts the first `#count` values into one frame for each peer, and into more where one is too long. */
  #deal(): void {
    const count = this.#count;
    const shares = Math.max(1, Math.min(this.#sink.peers, count));
    this.#count = 0;
    let first = 0;
    let taken = 0;
    for (let share = 1; share <= shares; share++) {
      const last = Math.floor((count * share) / shares);
      while (first < last) {
        const next = this.#cutBefore(first, last, taken);
        const end = this.#ends[next - 1]!;
        this.#sink.write(this.#writer.take(end - taken), next - first, this.#key);
        first = next;
        taken = end;
      }
    }
  }

  /** @returns the index after the last value that still fits a frame begun at `first` */
  #cutBefore(first: number, last: number, taken: number): number {
    const limit = taken + this.#batchBytesMax;
    if (this.#ends[last - 1]! <= limit) return last;
    let next = first + 1;
    while (next < last && this.#ends[next]! <= limit) next += 1;
    return next;
  }
}
