import { readFileSync } from "node:fs";

const TICK_MS = 5;

/** What a {@link Probe} has seen. */
export interface Reading {
  /** Longest time that the event loop was kept busy without a pause (milliseconds of processor time). */
  readonly stallMs: number;
  /** Most memory beyond that at the start (bytes). */
  readonly grownBytes: number;
}

/**
 * Watches the event loop and the memory of this process.
 *
 * A stall is counted in processor time of the main thread where Linux tells it, so that other programs
 * on the machine do not make one; elsewhere in time of the clock.
 */
export class Probe {
  readonly #startBytes = process.memoryUsage.rss();
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;
  #peakBytes = 0;
  #stallMs = 0;
  #lastMs = busyMs();

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * Time since the start as the event loop has seen it (milliseconds): it stands still while this process gets no
   * processor, so that a slow machine is not taken for a peer that is kept waiting.
   */
  get loopMs(): number {
    return this.#ticks * TICK_MS;
  }

  stop(): Reading {
    clearInterval(this.#timer);
    this.#tick();
    return { stallMs: this.#stallMs, grownBytes: this.#peakBytes - this.#startBytes };
  }

  #tick(): void {
    this.#ticks += 1;
    this.#stallMs = Math.max(this.#stallMs, busyMs() - this.#lastMs);
    this.#peakBytes = Math.max(this.#peakBytes, process.memoryUsage.rss());
    this.#lastMs = busyMs();
  }
}

/** For how long the main thread has been running (milliseconds). */
function busyMs(): number {
  if (process.platform !== "linux") return performance.now() - TICK_MS;
  const [ranNs] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
  return Number(ranNs) / 1e6;
}
