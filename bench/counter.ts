import { type Count, nowMs } from "./control.ts";
import { Tally } from "./tally.ts";

/** Messages between two progress reports of a receiver (count). */
const PROGRESS_MESSAGES = 4_096;

/** After so long without an arrival, even on a busy machine, missing messages count as lost (ms). */
const SILENCE_MS = 20_000;
const WATCH_INTERVAL_MS = 100;

/** Callbacks of a counter. */
export interface CounterEvents {
  /** Called when every receiver has received, or missed, all messages before `next`. */
  readonly onProgress: (next: number) => void;
  /** Called when all have arrived, or no more will. */
  readonly onEnded: () => void;
}

/** The tallies of all receivers in one process, and the decision when they are complete. */
export class Counter {
  readonly tallies: readonly Tally[];
  readonly #events: CounterEvents;
  #first = 0;
  #end = 0;
  #progress = 0;
  #sentAtMs: number | null = null;
  #arrivedAtMs = 0;
  #seen = 0;
  #watch: NodeJS.Timeout | null = null;

  /** @param receivers sockets that each get every message (count) */
  constructor(receivers: number, events: CounterEvents) {
    this.#events = events;
    this.tallies = Array.from({ length: receivers }, () => {
      return new Tally(PROGRESS_MESSAGES, () => this.#onMark());
    });
  }

  /** Resets the counts, and counts the messages `first` to `end - 1`. */
  begin(first: number, end: number): void {
    this.#first = first;
    this.#end = end;
    this.#progress = first;
    this.#sentAtMs = null;
    this.#arrivedAtMs = nowMs();
    for (const tally of this.tallies) tally.begin(first, end);
    this.#watch = setInterval(() => this.#onWatch(), WATCH_INTERVAL_MS);
  }

  /** To be called when the sender has handed over its last message. */
  sent(): void {
    this.#sentAtMs = nowMs();
  }

  /** The arrivals so far; duplicates may still arrive after the end. */
  get count(): Count {
    let lost = 0;
    let duplicated = 0;
    for (const tally of this.tallies) {
      lost += tally.lost;
      duplicated += tally.duplicated;
    }
    const expected = (this.#end - this.#first) * this.tallies.length;
    return { endedAtMs: this.#arrivedAtMs, expected, lost, duplicated };
  }

  #onMark(): void {
    if (this.#watch === null) return;
    let next = this.#end;
    let complete = true;
    for (const tally of this.tallies) {
      next = Math.min(next, tally.next);
      complete &&= tally.complete;
    }
    if (next - this.#progress >= PROGRESS_MESSAGES) {
      this.#progress = next;
      this.#events.onProgress(next);
    }
    if (!complete) return;
    this.#arrivedAtMs = nowMs();
    this.#finish();
  }

  /** After a loss the time of the last arrival is known to within `WATCH_INTERVAL_MS`. */
  #onWatch(): void {
    const now = nowMs();
    const { lost, duplicated } = this.count;
    if (lost + duplicated !== this.#seen) {
      this.#seen = lost + duplicated;
      this.#arrivedAtMs = now;
    }
    const silenceMs = now - Math.max(this.#arrivedAtMs, this.#sentAtMs ?? 0);
    if (silenceMs > SILENCE_MS) this.#finish();
  }

  #finish(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
    this.#events.onEnded();
  }
}
