import type { HandlerError } from "../../handler-error.ts";
import { backOffMs } from "../attempts/back-off.ts";
import type { Lease } from "../attempts/leases.ts";
import type { BackingOff } from "../attempts/unheld-messages.ts";
import type { SeqRange } from "../range/range.ts";
import type { ValuedRange } from "../range/range-map.ts";
import { DEAD_RANGES_MAX } from "./dead-letter-index.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";
import type { DispatcherOptions } from "./dispatcher-events.ts";
import type { RetrySources } from "./dispatcher-start.ts";
import type { MessageTables } from "./message-tables.ts";

/** How an attempt ended without the message being processed. */
export type AttemptEnd =
  /** Given back unread, or never begun: it does not count as an attempt. */
  | { readonly type: "released" }
  /** The handler failed. `delayMs`: time until the next attempt; null: the back-off's. */
  | {
      readonly type: "nacked";
      readonly delayMs: number | null;
      readonly error: HandlerError | null;
    }
  /** The handler rejected the message: it must not be retried. */
  | { readonly type: "rejected"; readonly reason: string; readonly error: HandlerError | null }
  /**
   * It was begun, and the receiver reported no outcome: the lease ended, or the receiver is gone. `isBeside`: the
   * receiver died, but this message is not certainly the cause, since others may have been in flight beside it.
   */
  | { readonly type: "lost"; readonly isBeside: boolean };

/** Reasons of dead letters for which no receiver gives one. */
const FAILED = "all attempts failed";
const LOST = "the lease ended, or the receiver was lost";
/** A back-off is extended by up to this share, so that several end together and fewer steps are due (part of 1). */
const LATER_PART = 1 / 64;

/** `again`: the message is retried; `dead`: it is a dead letter; `full`: retried since there are too many of those. */
export interface AttemptOutcome {
  readonly type: "again" | "dead" | "full";
  /** When it may be retried (ms); infinite: at once, or never. */
  readonly dueMs: number;
}

const AT_ONCE: AttemptOutcome = Object.freeze({ type: "again", dueMs: Number.POSITIVE_INFINITY });
const DEAD: AttemptOutcome = Object.freeze({ type: "dead", dueMs: Number.POSITIVE_INFINITY });

/**
 * Decides the next state of messages whose attempt ended: ready again, in back-off, or dead. Pure except for the
 * sources.
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

  /** Removes the ready messages that have had all attempts: the last one ended together with an earlier process. */
  takeExhausted(): ValuedRange<Lease>[] {
    const { ready } = this.#tables;
    const ranges = [...ready].filter(({ value }) => value.attempts >= this.#options.attemptsMax);
    return ranges.map(({ first, last, value }) => {
      ready.take(first, last);
      const { attempts: attempt, bytesEach } = value;
      return { first, last, value: { attempt, bytesEach, endMs: 0 } };
    });
  }

  /** A range, which is in no table, was not processed: adds it to the table of its next state. */
  end(part: ValuedRange<Lease>, how: AttemptEnd, nowMs: number): AttemptOutcome {
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
        // The last attempt is repeated, alone: another message may have ended it. A limit of one attempt is kept.
        if (how.isBeside && attemptsMax > 1)
          return this.#again(part, { attempts: attempt - 1, bytesEach, dueMs: nowMs }, nowMs);
        return this.#toDeadLetter(part, { reason: LOST, error: null }, nowMs);
      default: {
        const { error } = how;
        if (attempt >= attemptsMax)
          return this.#toDeadLetter(part, { reason: FAILED, error }, nowMs);
        const waitMs = how.delayMs ?? backOffMs(this.#options, attempt, this.#sources.random());
        return this.#again(
          part,
          { attempts: attempt, bytesEach, dueMs: dueAt(nowMs, waitMs) },
          nowMs,
        );
      }
    }
  }

  #again(range: SeqRange, backOff: BackingOff, nowMs: number): AttemptOutcome {
    const { dueMs } = backOff;
    if (dueMs > nowMs) {
      this.#tables.backOff(range, backOff);
      return { type: "again", dueMs };
    }
    const { attempts, bytesEach } = backOff;
    this.#tables.ready.set(range.first, range.last, { attempts, bytesEach });
    return AT_ONCE;
  }

  #toDeadLetter(
    part: ValuedRange<Lease>,
    { reason, error }: Pick<DeadLetterRecord, "reason" | "error">,
    nowMs: number,
  ): AttemptOutcome {
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
    const backOff = { attempts: attempt - 1, bytesEach, dueMs: nowMs + retryMsMax };
    return { ...this.#again(part, backOff, nowMs), type: "full" };
  }
}

function dueAt(nowMs: number, delayMs: number): number {
  const gridMs = 2 ** Math.floor(Math.log2(delayMs * LATER_PART));
  return gridMs > 1 ? Math.ceil((nowMs + delayMs) / gridMs) * gridMs : nowMs + delayMs;
}
