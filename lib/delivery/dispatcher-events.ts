import type { BackOffLimits } from "./back-off.ts";
import type { Move } from "./dead-table.ts";
import type { SeqRange } from "./range.ts";
import type { Segment } from "./range-map.ts";

/** The sender's rules, resolved. */
export interface DispatcherOptions extends BackOffLimits {
  /** How long a receiver may work on a message before it goes to another (milliseconds). */
  readonly leaseMs: number;
  /** How long a receiver that lost its connection may take to come back for what it holds (milliseconds). */
  readonly graceMs: number;
  /** Tries after which a message is dead (count). */
  readonly attemptsMax: number;
  /** One receiver at a time gets messages; the others stand by. */
  readonly exclusive: boolean;
  /** Dead letters beyond which none is added: messages rest and are tried again (count). */
  readonly deadLettersMax: number;
}

/** What a message died of. */
export interface Death {
  /** How often it was handed out (count). */
  readonly attempts: number;
  readonly reason: string;
  /** When (ms since 1970). */
  readonly timeMs: number;
  /** Size of each; 0 where it is not known (bytes). */
  readonly bytesEach: number;
  /** How far behind its seq its bytes are kept, since it was copied there; 0: where it was (count of seqs). */
  readonly offset: number;
  /** The epoch in which it had its seq, where it was copied; else 0: its batch tells. */
  readonly epoch: number;
}

/** What of a dispatcher must outlive the process: small, since it speaks of ranges. */
export interface DispatcherState {
  /** Every seq up to this one is settled. */
  readonly floor: number;
  /** Settled above the floor. */
  readonly settled: readonly SeqRange[];
  /** Not settled, held by nobody, and handed out so often before. */
  readonly attempts: readonly Segment<number>[];
  /** Handed out so often, the last time included, and held by somebody. */
  readonly leased: readonly Segment<number>[];
  readonly dead: readonly Segment<Death>[];
  /** Who may have held messages. */
  readonly receivers: readonly string[];
}

/** What happens to a {@link Dispatcher}. `nowMs` is a clock that never goes back. */
export type DispatcherEvent =
  /** The next batch is stored and at hand. */
  | {
      readonly type: "fed";
      readonly first: number;
      readonly last: number;
      /** Length of the batch (bytes). */
      readonly bytes: number;
    }
  /** A receiver came, and says what it still holds and what it has done meanwhile. */
  | {
      readonly type: "joined";
      readonly link: number;
      readonly receiver: string;
      readonly prefetch: number;
      readonly prefetchBytesMax: number;
      readonly held: readonly SeqRange[];
      readonly done: readonly SeqRange[];
    }
  | { readonly type: "acked"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** Given back untouched. */
  | { readonly type: "released"; readonly link: number; readonly ranges: readonly SeqRange[] }
  | {
      readonly type: "nacked";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      /** Rest before the next try; null: the dispatcher's own back-off. */
      readonly delayMs: number | null;
    }
  | {
      readonly type: "rejected";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      readonly reason: string;
    }
  | {
      readonly type: "extended";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      readonly leaseMs: number;
    }
  /** The connection is gone; the receiver may come back. */
  | { readonly type: "lost"; readonly link: number }
  /** The receiver has said good-bye. */
  | { readonly type: "left"; readonly link: number }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** Give up the oldest messages that nobody works on. */
  | { readonly type: "drop"; readonly count: number }
  /** Forget dead letters. */
  | { readonly type: "purged"; readonly ranges: readonly SeqRange[] }
  /** Copies of dead letters are on their way into the journal: nobody is to get them. */
  | { readonly type: "copying"; readonly first: number; readonly last: number }
  /** They could not be stored: their seqs are given anew. */
  | { readonly type: "notCopied"; readonly first: number; readonly last: number }
  /** They are stored, one behind the other, and take the place of the originals. */
  | { readonly type: "copied"; readonly moves: readonly Move[] };

/** What became of a message; a copy is one of a dead letter, which was settled before. */
export type Outcome = "processed" | "dead" | "dropped" | "copy";

/** What a {@link Dispatcher} wants done, in this order. */
export type DispatcherAction =
  /** Send the range; it lies within one batch or follows `attempt` times before. */
  | {
      readonly type: "send";
      readonly link: number;
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
    }
  /** Will never be sent again. */
  | {
      readonly type: "settled";
      readonly outcome: Outcome;
      readonly first: number;
      readonly last: number;
    }
  /** The link had, or has, no right to these. */
  | { readonly type: "lost"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** The link gave these back, and they will not come again: it need not wait for them. */
  | { readonly type: "gone"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** Whether the link must keep order has changed, and what it then has to wait for. */
  | {
      readonly type: "order";
      readonly link: number;
      readonly ordered: boolean;
      readonly awaited: readonly SeqRange[];
    }
  /** So many dead letters are kept that this one had to go on living. */
  | { readonly type: "deadLettersFull"; readonly first: number; readonly last: number };
