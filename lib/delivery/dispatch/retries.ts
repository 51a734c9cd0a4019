import type { HandlerError } from "../../handler-error.ts";
import { backOffMs } from "../attempts/back-off.ts";
import type { Lease } from "../attempts/leases.ts";
import type { Rest } from "../attempts/unheld-messages.ts";
import type { SeqRange } from "../range/range.ts";
import type { Segment } from "../range/range-map.ts";
import { DEAD_RANGES_MAX } from "./dead-letter-index.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import type { DispatcherOptions } from "./dispatcher-events.ts";
import type { RetrySources } from "./dispatcher-start.ts";
import type { MessageTables } from "./message-tables.ts";

/** How a try ended that was not processed. */
export type TryEnd =
  /** Given back untouched, or never begun: it does not count as a try. */
  | { readonly type: "released" }
  /** The receiver failed; `delayMs` null: it rests as long as the back-off says. */
  | {
      readonly type: "nacked";
      readonly delayMs: number | null;
      readonly error: HandlerError | null;
    }
  /** The receiver says that there is no hope. */
  | { readonly type: "rejected"; readonly reason: string; readonly error: HandlerError | null }
  /**
   * It was begun, and the receiver said nothing: its lease ended, or it is gone. `isBeside`: the receiver died, and not
   * surely of this one, which others may have been begun beside.
   */
  | { readonly type: "lost"; readonly isBeside: boolean };

/** Reasons of deaths that no receiver names. */
const FAILED = "all attempts failed";
const LOST = "the lease ended, or the receiver was lost";
/** A long rest ends with others, up to so much of it later (part of 1): who looks for what is due looks less often. */
const LATER_PART = 1 / 64;

/** What became of a message: another try, death, or another try since there is no room among the dead. */
export interface TryOutcome {
  readonly type: "again" | "dead" | "full";
  /** When it may be tried again, if not at once (ms). */
  readonly dueMs: number;
}

const AT_ONCE: TryOutcome = Object.freeze({ type: "again", dueMs: Number.POSITIVE_INFINITY });
const DEAD: TryOutcome = Object.freeze({ type: "dead", dueMs: Number.POSITIVE_INFINITY });

/**
 * Decides what becomes of messages whose try ended: ready again, resting, or dead. Pure but for the sources.
 *
 * @see docs/decisions/0041-dispatcher.md
 */
export class Retries {
  readonly #options: DispatcherOptions;
  readonly #tables: MessageTables;
  readonly #sources: RetrySources;

  constructor(options: DispatcherOptions, tables: MessageTables, sources: RetrySources) {
    this.#options = options;
    this.#tables = tables;
    this.#sources = sources;
  }

  /** Takes out what a process before this one tried for the last time: the last try of those ended with it. */
  takeExhausted(): Segment<Lease>[] {
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
        return this.#toDeadLetter(part, how, nowMs);
      case "lost":
        if (attempt < attemptsMax)
          return this.#again(part, { attempts: attempt, bytesEach, dueMs: nowMs }, nowMs);
        // The last attempt is made once more, alone: it may have ended by the deed of another. Who wants one attempt gets one.
        if (how.isBeside && attemptsMax > 1)
          return this.#again(part, { attempts: attempt - 1, bytesEach, dueMs: nowMs }, nowMs);
        return this.#toDeadLetter(part, { reason: LOST, error: null }, nowMs);
      default: {
        const { error } = how;
        if (attempt >= attemptsMax)
          return this.#toDeadLetter(part, { reason: FAILED, error }, nowMs);
        const restMs = how.delayMs ?? backOffMs(this.#options, attempt, this.#sources.random());
        return this.#again(
          part,
          { attempts: attempt, bytesEach, dueMs: dueAt(nowMs, restMs) },
          nowMs,
        );
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

  #toDeadLetter(
    part: Segment<Lease>,
    { reason, error }: Pick<DeadLetterRecord, "reason" | "error">,
    nowMs: number,
  ): TryOutcome {
    const { value } = part;
    const { dead, firsts } = this.#tables;
    const { deadLettersMax, retryMsMax } = this.#options;
    const { attempt, bytesEach } = value;
    if (dead.count < deadLettersMax && dead.size < DEAD_RANGES_MAX) {
      const timeMs = Math.floor(this.#sources.timeMs());
      const cause = { attempts: attempt, reason, error, timeMs };
      for (const { first, last, value: firstMs } of firsts.timesOf(part)) {
        dead.add({ first, last }, { ...cause, firstMs, bytesEach, offset: 0, epoch: 0 });
      }
      return DEAD;
    }
    const rest = { attempts: attempt - 1, bytesEach, dueMs: nowMs + retryMsMax };
    return { ...this.#again(part, rest, nowMs), type: "full" };
  }
}

function dueAt(nowMs: number, restMs: number): number {
  const gridMs = 2 ** Math.floor(Math.log2(restMs * LATER_PART));
  return gridMs > 1 ? Math.ceil((nowMs + restMs) / gridMs) * gridMs : nowMs + restMs;
}
