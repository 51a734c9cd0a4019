import type { HandlerError } from "../../handler-error.ts";
import type { BackOffLimits } from "../attempts/back-off.ts";
import type { SuspectsState } from "../attempts/suspects.ts";
import { decodeError, decodeRejection } from "../protocol/error-words.ts";
import { type LinkMessage, WORD_GO, WORD_NONE } from "../protocol/link-message.ts";
import type { SeqRange } from "../range/range.ts";
import type { Segment } from "../range/range-map.ts";
import type { Move } from "./dead-letter-index.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";

/** The sender's rules, resolved. */
export interface DispatcherOptions extends BackOffLimits {
  /** How long a receiver may work on a message before it goes to another (milliseconds). */
  readonly leaseMs: number;
  /** How long a receiver that lost its connection may take to come back for what it holds (milliseconds). */
  readonly graceMs: number;
  /** Attempts that a handler began, after which a message is dead (count). */
  readonly attemptsMax: number;
  /**
   * `"perReceiver"`: a receiver that is alone gets retries before later messages. `"total"`: one receiver at a time gets
   * messages, and those in order. `"none"`: neither.
   */
  readonly order: "perReceiver" | "none" | "total";
  /** Dead letters beyond which none is added: messages rest and are tried again (count). */
  readonly deadLettersMax: number;
}

/** How a message rests, without a clock that ends with the process. */
export interface SavedRest {
  /** How often it was handed out (count). */
  readonly attempts: number;
  /** How long it has to rest yet (milliseconds). */
  readonly restMs: number;
}

/** What of a dispatcher must outlive the process: small, since it speaks of ranges. */
export interface DispatcherState {
  /** Every seq up to this one is settled. */
  readonly floor: number;
  /** Settled above the floor. */
  readonly settled: readonly SeqRange[];
  /** Not settled, held by nobody, and begun so often before. */
  readonly attempts: readonly Segment<number>[];
  /** Held by somebody, and begun so often, this time included, whether it has been begun this time or not. */
  readonly leased: readonly Segment<number>[];
  readonly suspects: SuspectsState;
  /** When handlers began for the first time with what is not settled, as far as that is known (ms since 1970). */
  readonly firsts: readonly Segment<number>[];
  /** Not settled, and held by nobody before their rest is over. */
  readonly rests: readonly Segment<SavedRest>[];
  readonly dead: Iterable<Segment<DeadLetterRecord>>;
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
      /** Which process of that name it is; empty where it does not say. */
      readonly incarnation: string;
      readonly prefetch: number;
      readonly prefetchBytesMax: number;
      readonly held: readonly SeqRange[];
      readonly done: readonly SeqRange[];
      /** Whether much waits for its connection already, see `congested`; default false. */
      readonly congested?: boolean | undefined;
    }
  | { readonly type: "acked"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** Its application has these in its hands, or takes them as soon as it hears that this is saved. */
  | {
      readonly type: "begun";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      readonly wantsGo: boolean;
    }
  /** Given back untouched. */
  | { readonly type: "released"; readonly link: number; readonly ranges: readonly SeqRange[] }
  | {
      readonly type: "nacked";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      /** Rest before the next try; null: the dispatcher's own back-off. */
      readonly delayMs: number | null;
      /** What the handler failed with; null where it does not say. */
      readonly error: HandlerError | null;
    }
  | {
      readonly type: "rejected";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      readonly reason: string;
      readonly error: HandlerError | null;
    }
  | {
      readonly type: "extended";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
      readonly leaseMs: number;
    }
  /** The connection is gone; the receiver may come back. */
  | { readonly type: "lost"; readonly link: number }
  /** The connection is there, and the receiver says nothing. */
  | { readonly type: "silent"; readonly link: number }
  /** Much of what the link was handed out waits for its connection: it gets nothing more, whatever it gives back. */
  | { readonly type: "congested"; readonly link: number }
  /** Little of it does. */
  | { readonly type: "relieved"; readonly link: number }
  /** The receiver has said good-bye. */
  | { readonly type: "left"; readonly link: number }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** Give up the oldest messages that nobody works on. */
  | { readonly type: "drop"; readonly count: number }
  /** Messages are not in the journal any more, or damaged there: nobody gets them. */
  | {
      readonly type: "missing";
      readonly first: number;
      readonly last: number;
      /** Who was to get them; null: they came to be read for the first time. */
      readonly link: number | null;
    }
  /** Forget dead letters. */
  | { readonly type: "purged"; readonly ranges: readonly SeqRange[] }
  /** Copies of dead letters are on their way into the journal: nobody is to get them. */
  | { readonly type: "copying"; readonly first: number; readonly last: number }
  /** They could not be stored: their seqs are given anew. */
  | { readonly type: "notCopied"; readonly first: number; readonly last: number }
  /** They are stored, one behind the other, and take the place of the originals. */
  | { readonly type: "copied"; readonly moves: readonly Move[] };

/** What became of a message; a copy is one of a dead letter, which was settled before. */
export type Outcome = "processed" | "dead" | "dropped" | "lost" | "copy";

/** What a {@link Dispatcher} wants done, in this order. */
export type DispatcherAction =
  /** Send the range; it lies within one batch or follows `attempt` times before. */
  | {
      readonly type: "send";
      readonly link: number;
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      /** Whether they are to be begun alone, and not before a `go`. */
      readonly guarded: boolean;
    }
  /** That these are begun is to be saved; then the link may begin them. */
  | { readonly type: "go"; readonly link: number; readonly ranges: readonly SeqRange[] }
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

/**
 * What a receiver's word of messages means to the dispatcher. Pure.
 *
 * @param link the dispatcher's number of the session
 * @returns null: it is not a word of messages
 */
export function dispatcherEvent(link: number, message: LinkMessage): DispatcherEvent | null {
  const { ranges, word, text } = message;
  switch (message.type) {
    case "ack":
      return { type: "acked", link, ranges };
    case "begun":
      return { type: "begun", link, ranges, wantsGo: word === WORD_GO };
    case "nack": {
      const delayMs = word === WORD_NONE ? null : word;
      return { type: "nacked", link, ranges, delayMs, error: decodeError(text) };
    }
    case "reject":
      return { type: "rejected", link, ranges, ...decodeRejection(message) };
    case "release":
      return { type: "released", link, ranges };
    case "extend":
      return { type: "extended", link, ranges, leaseMs: word };
    default:
      return null;
  }
}
