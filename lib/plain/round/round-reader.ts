import type { Clock } from "../../clock.ts";
import type { Received } from "../../core/queue/receive-queue.ts";
import type { FrameOrder } from "./order-frame.ts";
import { Rounds } from "./rounds.ts";

/** The values of a received frame. */
export interface ReceivedFrame<V> extends Received<V> {
  /** The place of the frame among those of its publisher; null where it came without one. */
  readonly order: FrameOrder | null;
  /** Index in the frame of each value; null where none was refused. */
  readonly indexes: readonly number[] | null;
  /** Length of the body (bytes). */
  readonly bytes: number;
}

/** Reads the frames of a subscriber, and delivers their values in the order over all topics of each publisher. */
export class RoundReader<V> {
  readonly #rounds = new Rounds<V>();
  readonly #clock: Clock;
  readonly #matches: (topic: string) => boolean;
  /** Values that can be delivered, in order. */
  #ready: V[][] = [];
  /** The read under way, which outlives a round that becomes due meanwhile. */
  #reading: Promise<ReceivedFrame<V>> | null = null;

  /** @param matches whether the subscriber wants a topic */
  constructor(clock: Clock, matches: (topic: string) => boolean) {
    this.#clock = clock;
    this.#matches = matches;
  }

  /** Values that were dropped because they came after their round (count). */
  get dropped(): number {
    return this.#rounds.dropped;
  }

  /** @returns the values of a frame, of a round, or none */
  async read(read: () => Promise<ReceivedFrame<V>>): Promise<Received<V>> {
    while (this.#ready.length === 0) {
      this.#reading ??= read();
      const frame = await this.#unlessDue(this.#reading);
      if (frame === null) {
        this.#ready = this.#rounds.expire(this.#clock.nowMs());
        continue;
      }
      this.#reading = null;
      if (frame.order === null) return frame;
      this.#ready = this.#rounds.take(
        {
          values: frame.values,
          indexes: frame.indexes,
          place: frame.order,
          hasLater: frame.order.hasLater(this.#matches),
          bytes: frame.bytes,
        },
        this.#clock.nowMs(),
      );
    }
    return { values: this.#ready.shift()!, headers: null };
  }

  /** @returns null when a round becomes due before the frame has come */
  async #unlessDue(reading: Promise<ReceivedFrame<V>>): Promise<ReceivedFrame<V> | null> {
    const { dueMs } = this.#rounds;
    if (dueMs === Number.POSITIVE_INFINITY) return reading;
    let cancel = () => {};
    const due = new Promise<null>((resolve) => {
      cancel = this.#clock.after(dueMs - this.#clock.nowMs(), () => resolve(null));
    });
    try {
      return await Promise.race([reading, due]);
    } finally {
      cancel();
    }
  }
}
