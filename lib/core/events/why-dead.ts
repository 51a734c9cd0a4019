import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { HandlerError } from "../../handler-error.ts";

/** Why messages were given up, and when. */
export interface WhyDead {
  /** How often a handler began with each (count). */
  readonly attempts: number;
  /** How the last attempt ended: what `reject` said, or that all attempts failed, or that the receiver was lost. */
  readonly reason: string;
  /**
   * What the handler failed with at the last attempt, or why its socket refused the message; null where nothing was
   * said, or the word was lost.
   */
  readonly error: HandlerError | null;
  /** When a handler began with it for the first time, by the sender's clock; null where the sender does not know. */
  readonly firstAttemptAt: Date | null;
  /** When it was given up, by the sender's clock. */
  readonly deadAt: Date;
}

/** What is told of a death. Pure; each call makes an object of its own. */
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
