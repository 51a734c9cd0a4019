import { backOffMs } from "./back-off.ts";
import { DEAD_RANGES_MAX } from "./dead-table.ts";
import type { DispatcherOptions } from "./dispatcher-events.ts";
import type { Lease } from "./leases.ts";
import type { MessageTables, Rest } from "./message-tables.ts";
import type { SeqRange } from "./range.ts";
import type { Segment } from "./range-map.ts";

/** How a try ended that was not processed. */
export type TryEnd =
  /** Given back untouched: it does not count as a try. */
  | { readonly type: "released" }
  /** The receiver failed; null: it rests as long as the back-off says. */
  | { readonly type: "nacked"; readonly delayMs: number | null }
  /** The receiver says that there is no hope. */
  | { readonly type: "rejected"; readonly reason: string }
  /** The receiver said nothing: its lease ended, or it is gone. */
  | { readonly type: "lost" };

/** What became of a message: another try, death, or another try since there is no room among the dead. */
export interface TryOutcome {
  readonly type: "again" | "dead" | "full";
  /** When it may be tried again, if not at once (ms). */
  readonly dueMs: number;
}

const NONE: Segment<Lease>[] = [];
const AT_ONCE: TryOutcome = Object.freeze({ type: "again", dueMs: Number.POSITIVE_INFINITY });
const DEAD: TryOutcome = Object.freeze({ type: "dead", dueMs: Number.POSITIVE_INFINITY });

/** The sources of time and chance of {@link Retries}. */
export interface RetrySources {
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Now (ms since 1970), for people to read. */
  readonly timeMs: () => number;
}

/**
 * Decides what becomes of messages whose try ended: ready again, resting, or dead. Pure but for the sources.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Retries {
  readonly #options: DispatcherOptions;
  readonly #tables: MessageTables;
  readonly #sources: RetrySources;
  #isStarted = false;

  constructor(options: DispatcherOptions, tables: MessageTables, sources: RetrySources) {
    this.#options = options;
    this.#tables = tables;
    this.#sources = sources;
  }

  /**
   * Takes out, once, what a process before this one handed out for the last time and nobody claims: the last try of
   * those ended with it.
   */
  takeExhausted(): Segment<Lease>[] {
    if (this.#isStarted) return NONE;
    this.#isStarted = true;
    const { ready } = this.#tables;
    const ranges = [...ready].filter(({ value }) => value.attempts >= this.#options.attemptsMax);
    return ranges.map(({ first, last, value }) => {
      ready.take(first, last);
      const { attempts: attempt, bytesEach } = value;
      return { first, last, value: { attempt, bytesEach, endMs: 0 } };
    });
  }

  /** A range, which is in no table, was not processed: puts it into the one where it belongs now. */
  end(part: Segment<Lease>, how: TryEnd, nowMs: number): TryOutcome {
    const { attempt, bytesEach } = part.value;
    const { attemptsMax } = this.#options;
    switch (how.type) {
      case "released":
        return this.#again(part, { attempts: attempt - 1, bytesEach, dueMs: nowMs }, nowMs);
      case "rejected":
        return this.#bury(part, how.reason, nowMs);
      case "lost":
        if (attempt < attemptsMax)
          return this.#again(part, { attempts: attempt, bytesEach, dueMs: nowMs }, nowMs);
        return this.#bury(part, "the lease ended, or the receiver was lost", nowMs);
      default: {
        if (attempt >= attemptsMax) return this.#bury(part, "all attempts failed", nowMs);
        const restMs = how.delayMs ?? backOffMs(this.#options, attempt, this.#sources.random());
        return this.#again(part, { attempts: attempt, bytesEach, dueMs: nowMs + restMs }, nowMs);
      }
    }
  }

  #again(range: SeqRange, rest: Rest, nowMs: number): TryOutcome {
    const { dueMs } = rest;
    if (dueMs > nowMs) {
      this.#tables.rest(range, rest);
      return { type: "again", dueMs };
    }
    const { attempts, bytesEach } = rest;
    this.#tables.ready.set(range.first, range.last, { attempts, bytesEach });
    return AT_ONCE;
  }

  #bury(part: Segment<Lease>, reason: string, nowMs: number): TryOutcome {
    const { value } = part;
    const { dead } = this.#tables;
    const { deadLettersMax, retryMsMax } = this.#options;
    const { attempt, bytesEach } = value;
    if (dead.count < deadLettersMax && dead.size < DEAD_RANGES_MAX) {
      const timeMs = this.#sources.timeMs();
      dead.add(part, { attempts: attempt, reason, timeMs, bytesEach, offset: 0, epoch: 0 });
      return DEAD;
    }
    const rest = { attempts: attempt - 1, bytesEach, dueMs: nowMs + retryMsMax };
    return { ...this.#again(part, rest, nowMs), type: "full" };
  }
}
