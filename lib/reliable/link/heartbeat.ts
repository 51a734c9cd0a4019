import type { Clock } from "../../clock.ts";

/** A peer that was silent for so many of its heartbeats is gone, where nothing is held of it or by it (count). */
const HEARTBEATS_MISSED_MAX = 3;

/** How long a peer may be silent that beats so often (milliseconds); infinite for one that does not beat. Pure. */
export function silenceMs(heartbeatMs: number): number {
  return heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs * HEARTBEATS_MISSED_MAX;
}

/** Dependencies of {@link Heartbeat}. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  /** From one beat to the next, asked after each (milliseconds); infinite: there are none. */
  readonly everyMs: () => number;
  /** Says to all peers that this end is there, and looks which of them were silent for too long. */
  readonly beat: () => void;
}

/** The beat of one end of its links: each end shows the other that it is there, though it has nothing to say. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** From the last beat to the next (milliseconds). */
  #waitMs = 0;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#wait();
  }

  /**
   * A peer has come that has to hear of this end within `ms`. The next beat is put off only where a shorter time
   * begins, so that no number of peers that come puts off what others hear.
   */
  within(ms: number): void {
    if (this.#stopped || ms >= this.#waitMs) return;
    this.#cancel?.();
    this.#wait();
  }

  /** Beats no more. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(): void {
    const { clock, everyMs } = this.#options;
    this.#waitMs = everyMs();
    if (this.#waitMs === Number.POSITIVE_INFINITY) return;
    this.#cancel = clock.after(this.#waitMs, () => {
      this.#options.beat();
      // A peer that is found to be gone may be a reason to stop.
      if (!this.#stopped) this.#wait();
    });
  }
}
