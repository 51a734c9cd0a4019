import type { Clock } from "../../clock.ts";

/** One timer for the next of several deadlines. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #atMs = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at `dueMs`, unless it rings earlier; then the callee has to set it again. Infinite: not at all. */
  set(dueMs: number): void {
    if (dueMs >= this.#atMs) return;
    this.#cancel?.();
    this.#atMs = dueMs;
    this.#cancel = this.#clock.after(Math.ceil(dueMs - this.#clock.nowMs()), () => {
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#cancel = null;
      this.#ring();
    });
  }

  /** Cancels the timer. */
  stop(): void {
    this.#cancel?.();
  }
}
