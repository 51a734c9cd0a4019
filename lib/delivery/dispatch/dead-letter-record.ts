import type { HandlerError } from "../../handler-error.ts";

/** Why and when a message became a dead letter, and where it is stored. */
export interface DeadLetterRecord {
  /** Attempts (count). */
  readonly attempts: number;
  /** Why it was given up after the last attempt. */
  readonly reason: string;
  /** The handler's error at the last attempt; null where none was reported. */
  readonly error: HandlerError | null;
  /** When a handler began it for the first time (ms since 1970); null where this is not known. */
  readonly firstMs: number | null;
  /** When it became a dead letter (ms since 1970). */
  readonly timeMs: number;
  /** Size of each message; 0 where it is not known (bytes). */
  readonly bytesEach: number;
  /** Distance from its seq to the seq of its copy in the journal; 0: it was not copied (count of seqs). */
  readonly offset: number;
  /** The epoch in which it had its seq, if it was copied; otherwise 0: its batch contains the epoch. */
  readonly epoch: number;
}
