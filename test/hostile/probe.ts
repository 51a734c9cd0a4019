import { readdirSync, readFileSync } from "node:fs";

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
  readonly #waits = new ThreadWaits();
  #servedMs = 0;
  #peakBytes = 0;
  #stallMs = 0;
  #lastMs = busyMs();

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /**
   * Time since the start in which this process had what it needs to go on (milliseconds): it stands still while the
   * event loop or another thread waits for a processor, so that a busy machine is not taken for a peer that is kept
   * waiting.
   */
  get servedMs(): number {
    return this.#servedMs;
  }

  /** Takes the memory of now into account: what is given back afterwards may be gone at the next tick. */
  look(): void {
    this.#peakBytes = Math.max(this.#peakBytes, process.memoryUsage.rss());
  }

  stop(): Reading {
    clearInterval(this.#timer);
    this.#tick();
    return { stallMs: this.#stallMs, grownBytes: this.#peakBytes - this.#startBytes };
  }

  #tick(): void {
    this.#servedMs += Math.max(0, TICK_MS - this.#waits.longestMs());
    this.#stallMs = Math.max(this.#stallMs, busyMs() - this.#lastMs);
    this.look();
    this.#lastMs = busyMs();
  }
}

/** For how long the main thread has been running (milliseconds). */
function busyMs(): number {
  if (process.platform !== "linux") return performance.now() - TICK_MS;
  const [ranNs] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
  return Number(ranNs) / 1e6;
}

/** For how long each thread of this process has waited for a processor, where Linux tells it. */
class ThreadWaits {
  readonly #waitedNs = new Map<string, number>();

  /** The longest wait of a thread since the last call (milliseconds). */
  longestMs(): number {
    if (process.platform !== "linux") return 0;
    let longestNs = 0;
    for (const thread of readdirSync("/proc/self/task")) {
      const waitedNs = waitedNsOf(thread) ?? 0;
      longestNs = Math.max(longestNs, waitedNs - (this.#waitedNs.get(thread) ?? waitedNs));
      this.#waitedNs.set(thread, waitedNs);
    }
    return longestNs / 1e6;
  }
}

function waitedNsOf(thread: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, "utf8").split(" ")[1]);
  } catch {
    return undefined; // the thread has ended since it was listed
  }
}
