/** What {@link KeptValues} keeps, and for how long. */
export interface KeepOptions<T> {
  /** The topic of a value, of which only the newest is kept; null: all values are kept. */
  readonly topicOf: ((value: T) => string) | null;
  /** Values that have waited longer are dropped (milliseconds); infinity: none. */
  readonly maxAgeMs: number;
}

interface Kept<T> {
  value: T;
  /** When it arrived (monotonic milliseconds). */
  sinceMs: number;
  /** Its share of the frame in which it came (bytes). */
  bytes: number;
}

/** Most values that are kept (count): of one topic each, where only the newest of a topic is kept. */
export const KEPT_MAX = 16_384;
/** Most bytes of the frames of kept values, each value with its share. */
export const KEPT_BYTES_MAX: number = 32 * 2 ** 20;

/**
 * Received values that nobody has taken yet, without those that are replaced or too old. Pure.
 *
 * Where only the newest of a topic is kept, topics have the order in which they changed first since they were taken last:
 * a topic that changes all the time neither waits for ever nor lets others wait. Otherwise values have the order in which
 * they came.
 *
 * Invariant: where `isFull` is obeyed, the bounds are exceeded by the values of one frame, or one round.
 */
export class KeptValues<T> {
  readonly #topicOf: KeepOptions<T>["topicOf"];
  readonly #maxAgeMs: number;
  /** By topic; where all values are kept, by the number of the value. In order. */
  readonly #kept = new Map<string | number, Kept<T>>();
  /** At the first value: a new iterator would pass by all that were taken before, each time. */
  #first = this.#kept.entries();
  #number = 0;
  #bytes = 0;
  #replaced = 0;
  #expired = 0;

  constructor({ topicOf, maxAgeMs }: KeepOptions<T>) {
    this.#topicOf = topicOf;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Values that wait, some of which may be too old (count). */
  get count(): number {
    return this.#kept.size;
  }

  /** Whether no more should be put in before something was taken, or has become too old. */
  get isFull(): boolean {
    return this.#kept.size >= KEPT_MAX || this.#bytes >= KEPT_BYTES_MAX;
  }

  /** Values in whose place a newer one of their topic was delivered (count). */
  get replaced(): number {
    return this.#replaced;
  }

  /** Values that were too old (count). */
  get expired(): number {
    return this.#expired;
  }

  /** @param bytes of the frames in which they came */
  put(values: readonly T[], bytes: number, nowMs: number): void {
    const share = bytes / values.length;
    for (const value of values) {
      const key = this.#topicOf === null ? this.#number++ : this.#topicOf(value);
      const former = this.#kept.get(key);
      this.#bytes += share;
      if (former === undefined) {
        this.#kept.set(key, { value, sinceMs: nowMs, bytes: share });
        continue;
      }
      if (nowMs - former.sinceMs > this.#maxAgeMs) this.#expired += 1;
      else this.#replaced += 1;
      this.#bytes -= former.bytes;
      former.value = value;
      former.sinceMs = nowMs;
      former.bytes = share;
    }
  }

  /** @returns the next value that is not too old, in an array of its own; or none */
  take(nowMs: number): [T] | [] {
    while (this.#kept.size > 0) {
      let first = this.#first.next();
      if (first.done) {
        this.#first = this.#kept.entries();
        first = this.#first.next();
      }
      const [key, kept] = first.value!;
      this.#remove(key, kept);
      if (nowMs - kept.sinceMs <= this.#maxAgeMs) return [kept.value];
      this.#expired += 1;
    }
    return [];
  }

  /** @returns all values that are not too old */
  takeAll(nowMs: number): T[] {
    this.expire(nowMs);
    const values = Array.from(this.#kept.values(), ({ value }) => value);
    this.clear();
    return values;
  }

  /** Drops what is too old. */
  expire(nowMs: number): void {
    if (this.#maxAgeMs === Number.POSITIVE_INFINITY) return;
    for (const [key, kept] of this.#kept) {
      if (nowMs - kept.sinceMs > this.#maxAgeMs) {
        this.#remove(key, kept);
        this.#expired += 1;
        // Without topics all that follow are younger.
      } else if (this.#topicOf === null) return;
    }
  }

  /** Drops everything, uncounted. */
  clear(): void {
    this.#kept.clear();
    this.#first = this.#kept.entries();
    this.#bytes = 0;
  }

  #remove(key: string | number, { bytes }: Kept<T>): void {
    this.#kept.delete(key);
    // Shares are fractions: nothing is left of them when nothing is kept.
    this.#bytes = this.#kept.size === 0 ? 0 : this.#bytes - bytes;
  }
}
