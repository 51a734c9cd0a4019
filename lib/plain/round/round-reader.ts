import type { Clock } from "../../clock.ts";
import type { Received } from "../../core/queue/receive-queue.ts";
import type { FrameOrder } from "./order-frame.ts";
import { Rounds } from "./rounds.ts";

/** The values of a received frame. */
export interface ReceivedFrame<V> extends Received<V> {
  /** The place of the frame among those of its publisher; null where it came without one. */
  readonly order: FrameOrder | null;
  /** Its topic; null for a frame that was refused, or is not wanted. */
  readonly topic: string | null;
  /** Index in the frame of each value; null where none was refused. */
  readonly indexes: readonly number[] | null;
  /** Values in the frame before any was refused (count); null where it could not be read. */
  readonly count: number | null;
  /** Length of the body (bytes). */
  readonly bytes: number;
}

/** Dependencies of {@link RoundReader}. */
export interface RoundReaderOptions {
  readonly clock: Clock;
  /** Whether the subscriber wants a topic. */
  readonly matches: (topic: string) => boolean;
  /** Told of each frame with a topic, and of its values (count); null where it could not be read. */
  readonly onFrame: (topic: string, order: FrameOrder | null, count: number | null) => void;
}

/** Reads the frames of a subscriber, and delivers their values in the order over all topics of each publisher. */
export class RoundReader<V> {
  readonly #rounds = new Rounds<V>();
  readonly #clock: Clock;
  readonly #matches: (topic: string) => boolean;
  readonly #onFrame: RoundReaderOptions["onFrame"];
  /** Values that can be delivered, in order. */
  #ready: V[][] = [];
  /** The read under way, which outlives a round that becomes due meanwhile. */
  #reading: Promise<ReceivedFrame<V>> | null = null;

  constructor({ clock, matches, onFrame }: RoundReaderOptions) {
    this.#clock = clock;
    this.#matches = matches;
    this.#onFrame = onFrame;
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
      if (frame.topic !== null) this.#onFrame(frame.topic, frame.order, frame.count);
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
