import { encodeReport } from "./missed-report.ts";

/** Most publishers to which a subscriber reports (count). */
export const REPORTED_MAX = 64;

/** The native socket of a subscriber. */
export interface ReporterTarget {
  subscribe(prefix: string): void;
  unsubscribe(prefix: string): void;
}

interface Reported {
  /** Values missed (count). */
  total: number;
  /** The subscription by which it was told; null before the first one. */
  prefix: string | null;
  isNew: boolean;
}

/**
 * Tells each publisher how many of its values a subscriber has missed: one subscription to each, which ZeroMQ repeats to
 * a new connection. Beyond {@link REPORTED_MAX} publishers the first of them is forgotten.
 */
export class MissedReporter {
  readonly #target: ReporterTarget;
  readonly #id: string;
  readonly #reported = new Map<string, Reported>();

  /** @param id the id by which the subscriber announces itself */
  constructor(target: ReporterTarget, id: string) {
    this.#target = target;
    this.#id = id;
  }

  /**
   * Counts what the next `flush` tells.
   *
   * @param publisher the one that numbered the values, each byte of its id a character
   * @param count values newly found to be missing
   */
  add(publisher: string, count: number): void {
    const reported = this.#reported.get(publisher);
    if (reported !== undefined) {
      reported.total += count;
      reported.isNew = true;
      return;
    }
    this.#reported.set(publisher, { total: count, prefix: null, isNew: true });
    if (this.#reported.size <= REPORTED_MAX) return;
    for (const [first, { prefix }] of this.#reported) {
      this.#reported.delete(first);
      if (prefix !== null) this.#target.unsubscribe(prefix);
      return;
    }
  }

  /** Tells all publishers what is new. To be called at most once a second, or so. */
  flush(): void {
    for (const [publisher, reported] of this.#reported) {
      if (!reported.isNew) continue;
      reported.isNew = false;
      const { prefix: before, total } = reported;
      const prefix = encodeReport({ publisher: hexOf(publisher), id: this.#id, total });
      if (prefix === before) continue;
      reported.prefix = prefix;
      this.#target.subscribe(prefix);
      if (before !== null) this.#target.unsubscribe(before);
    }
  }
}

/** The id of a publisher, of which each byte is a character, in hex digits. */
export function hexOf(publisher: string): string {
  return Buffer.from(publisher, "latin1").toString("hex");
}
