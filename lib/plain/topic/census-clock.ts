import type { Clock } from "../../clock.ts";
import { TICK_MS } from "./subscriber-counter.ts";

/** What counts the time of a {@link CensusClock}. */
export interface Ticking {
  /** Whether time counts. */
  readonly isWaiting: boolean;
  tick(): void;
}

/**
 * Ticks for a counter of subscribers while it waits for something.
 *
 * Ticks follow one another only where the event loop turns between them: a process that was held up for long reads
 * what has come meanwhile before it finds that nothing has.
 */
export class CensusClock {
  readonly #clock: Clock;
  readonly #ticking: Ticking;
  readonly #onTick: () => void;
  #cancel: (() => void) | null = null;
  #isStopped = false;

  /** @param onTick called after each tick */
  constructor(clock: Clock, ticking: Ticking, onTick: () => void) {
    this.#clock = clock;
    this.#ticking = ticking;
    this.#onTick = onTick;
  }

  /** To be called whenever the counter may have begun to wait. */
  look(): void {
    if (this.#isStopped || this.#cancel !== null || !this.#ticking.isWaiting) return;
    this.#cancel = this.#clock.after(TICK_MS, () => {
      this.#cancel = null;
      this.#ticking.tick();
      this.#onTick();
      this.look();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancel = null;
  }
}
