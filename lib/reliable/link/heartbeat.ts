import type { Clock } from "../../clock.ts";

/** A peer silent for this many of its heartbeats is gone, if neither side holds messages of the other (count). */
const HEARTBEATS_MISSED_MAX = 3;

/** Longest silence of a peer with this heartbeat (milliseconds); infinite for one that sends none. Pure. */
export function silenceMs(heartbeatMs: number): number {
  return heartbeatMs === 0 ? Number.POSITIVE_INFINITY : heartbeatMs * HEARTBEATS_MISSED_MAX;
}

/** Dependencies of {@link Heartbeat}. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Time to the next heartbeat, asked after each (milliseconds); infinite: there are none. */
  readonly everyMs: () => number;
  /** Sends a heartbeat to all peers, and checks which of them were silent for too long. */
  readonly send: () => void;
}

/** The heartbeat of one end of its links: a heartbeat to the other ends, even without messages to send. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** Time between the last heartbeat and the next (milliseconds). */
  #waitMs = 0;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#wait();
  }

  /**
   * A new peer needs a heartbeat within `ms`. The next heartbeat is rescheduled only for a shorter period, so that no
   * number of new peers delays the heartbeats for others.
   */
  within(ms: number): void {
    if (this.#stopped || ms >= this.#waitMs) return;
    this.#cancel?.();
    this.#wait();
  }

  /** Ends the heartbeat. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #wait(): void {
    const { clock, everyMs } = this.#options;
    this.#waitMs = everyMs();
    if (this.#waitMs === Number.POSITIVE_INFINITY) return;
    this.#cancel = clock.after(this.#waitMs, () => {
      this.#options.send();
      // A peer found to be gone may cause `stop`.
      if (!this.#stopped) this.#wait();
    });
  }
}
