import { performance } from "node:perf_hooks";
import { type Clock, TURN_MS_MAX } from "../../clock.ts";

/** Most values between two looks at the clock (count). */
const LOOK_EVERY_MAX = 16;
/** Where a look is so long after the one before, the next is at the next value (milliseconds). */
const LOOK_MS = 1;

/** Lets the event loop turn while a reader of a socket finds more and more to read. */
export class Turns {
  #yieldedMs = 0;
  #isTurning = false;

  /** Whether {@link next} is awaited: there may be more to read. */
  get isTurning(): boolean {
    return this.#isTurning;
  }

  /** Whether it is time to await {@link next}. */
  get isOver(): boolean {
    return performance.now() - this.#yieldedMs > TURN_MS_MAX;
  }

  /** Resolves when the event loop has turned. */
  async next(): Promise<void> {
    this.#isTurning = true;
    await new Promise((resolve) => setImmediate(resolve));
    this.#isTurning = false;
    this.#yieldedMs = performance.now();
  }
}

/**
 * Says when the event loop is to turn, to one who hands out value after value. Whoever takes a value may keep the
 * thread for long before it takes the next, so the clock is looked at after each value at first, and ever more rarely
 * where they are fast: then a value costs a count.
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

  /** Whether the loop is to turn before one more value is handed out. To be asked for each. */
  isOverForNext(): boolean {
    this.#valuesLeft -= 1;
    return this.#valuesLeft <= 0 && this.#look();
  }

  /**
   * Values that need not be asked for.
   *
   * @param max most of them that there are (count)
   * @returns how many more may be handed out; they count as asked for
   */
  takeFree(max: number): number {
    const free = Math.max(0, Math.min(max, this.#valuesLeft - 1));
    this.#valuesLeft -= free;
    return free;
  }

  /** Whether the loop is to turn now. */
  isOver(nowMs: number = this.#clock.nowMs()): boolean {
    return nowMs - this.#turnedMs > TURN_MS_MAX;
  }

  /** The loop has turned. */
  turned(): void {
    this.#turnedMs = this.#clock.nowMs();
    this.#lookedMs = this.#turnedMs;
    this.#every = 1;
    // The first one takes no time before it is handed out.
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
