import { performance } from "node:perf_hooks";
import { type Clock, TURN_MS_MAX } from "../../clock.ts";

/** Most values between two looks at the clock (count). */
const LOOK_EVERY_MAX = 16;
/** When the previous look was at least this long ago, the next look is at the next value (milliseconds). */
const LOOK_MS = 1;

/** Yields to the event loop while a reader of a socket always has more to read. */
export class Turns {
  #yieldedMs = 0;
  #isTurning = false;

  /** Whether {@link next} is under way, so that there may be more to read. */
  get isTurning(): boolean {
    return this.#isTurning;
  }

  /** Whether it is time to await {@link next}. */
  get isOver(): boolean {
    return performance.now() - this.#yieldedMs > TURN_MS_MAX;
  }

  /** Resolves after a turn of the event loop. */
  async next(): Promise<void> {
    this.#isTurning = true;
    await new Promise((resolve) => setImmediate(resolve));
    this.#isTurning = false;
    this.#yieldedMs = performance.now();
  }
}

/**
 * Tells a loop that hands out values when to yield to the event loop. A consumer may keep the thread for long before it
 * takes the next value. So the clock is checked after each value at first, and less often where consumers are fast:
 * then a value costs one count.
 */
export class TurnWatch {
  readonly #clock: Clock;
  #turnedMs = 0;
  #lookedMs = 0;
  #every = 1;
  #valuesLeft = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to yield before one more value is handed out. To be called for each value. */
  isOverForNext(): boolean {
    this.#valuesLeft -= 1;
    return this.#valuesLeft <= 0 && this.#look();
  }

  /**
   * Reserves values that may be handed out without a check.
   *
   * @param max number of values at hand (count)
   * @returns how many of them may be handed out; they count as checked
   */
  takeFree(max: number): number {
    const free = Math.max(0, Math.min(max, this.#valuesLeft - 1));
    this.#valuesLeft -= free;
    return free;
  }

  /** Whether to yield now. */
  isOver(nowMs: number = this.#clock.nowMs()): boolean {
    return nowMs - this.#turnedMs > TURN_MS_MAX;
  }

  /** To be called after a turn of the event loop. */
  turned(): void {
    this.#turnedMs = this.#clock.nowMs();
    this.#lookedMs = this.#turnedMs;
    this.#every = 1;
    // The first value is handed out without delay.
    this.#valuesLeft = 2;
  }

  #look(): boolean {
    const nowMs = this.#clock.nowMs();
    const isFast = nowMs - this.#lookedMs < LOOK_MS;
    this.#every = isFast ? Math.min(this.#every * 2, LOOK_EVERY_MAX) : 1;
    this.#valuesLeft = this.#every;
    this.#lookedMs = nowMs;
    return this.isOver(nowMs);
  }
}
