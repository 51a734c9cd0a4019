import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { HandlerError } from "../../handler-error.ts";

/**
 * Why and when messages were dead-lettered.
 *
 * @see docs/decisions/0062-dead-letters-say-why.md
 */
export interface WhyDead {
  /** How often a handler began each message (count). */
  readonly attempts: number;
  /**
   * How the last attempt ended: the reason given to `reject`, that all attempts failed, or that the receiver was lost.
   */
  readonly reason: string;
  /**
   * The error of the handler at the last attempt, or the reason of its socket for refusing the message. Null where none
   * was given, or where its report was lost.
   */
  readonly error: HandlerError | null;
  /** When a handler began it for the first time, by the sender's clock; null where the sender does not know. */
  readonly firstAttemptAt: Date | null;
  /** When it was dead-lettered, by the sender's clock. */
  readonly deadAt: Date;
}

/** The public form of a record. Pure; each call creates an object of its own. */
export function whyDead({ attempts, reason, error, firstMs, timeMs }: DeadLetterRecord): WhyDead {
  const firstAttemptAt = firstMs === null ? null : new Date(firstMs);
  return {
    attempts,
    reason,
    error: error && { ...error },
    firstAttemptAt,
    deadAt: new Date(timeMs),
  };
}
