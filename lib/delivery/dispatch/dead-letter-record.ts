import type { HandlerError } from "../../handler-error.ts";

/** What a message died of. */
export interface DeadLetterRecord {
  /** How often a handler began it (count). */
  readonly attempts: number;
  /** How the last try ended. */
  readonly reason: string;
  /** What the handler said of the last try; null where it said nothing. */
  readonly error: HandlerError | null;
  /** When a handler began for the first time (ms since 1970); null where that is not known. */
  readonly firstMs: number | null;
  /** When (ms since 1970). */
  readonly timeMs: number;
  /** Size of each; 0 where it is not known (bytes). */
  readonly bytesEach: number;
  /** How far behind its seq its bytes are kept, since it was copied there; 0: where it was (count of seqs). */
  readonly offset: number;
  /** The epoch in which it had its seq, where it was copied; else 0: its batch tells. */
  readonly epoch: number;
}
