import type { Clock } from "../../clock.ts";
import { TICK_MS } from "./subscriber-counter.ts";

/** The counter that a {@link CensusClock} drives. */
export interface Ticking {
  /** Whether it needs ticks. */
  readonly isWaiting: boolean;
  tick(): void;
}

/**
 * Calls the ticks of a subscriber counter while it waits for prefixes.
 *
 * The event loop turns between two ticks: a process that was blocked for long reads the subscriptions that have arrived
 * meanwhile before it concludes that none have.
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
