import type { HandlerError } from "../../handler-error.ts";
import type { BackOffLimits } from "../attempts/back-off.ts";
import type { SuspectsState } from "../attempts/suspects.ts";
import { decodeError, decodeRejection } from "../protocol/error-texts.ts";
import { ARGUMENT_GO, ARGUMENT_NONE, type LinkMessage } from "../protocol/link-message.ts";
import type { SeqRange } from "../range/range.ts";
import type { ValuedRange } from "../range/range-map.ts";
import type { DeadLetterMove } from "./dead-letter-index.ts";
import type { DeadLetterRecord } from "./dead-letter-record.ts";

/** The sender's delivery options, with defaults filled in. */
export interface DispatcherOptions extends BackOffLimits {
  /** How long a receiver may work on a message before it goes to another (milliseconds). */
  readonly leaseMs: number;
  /** How long a receiver that lost its connection may take to reconnect and claim its messages (milliseconds). */
  readonly graceMs: number;
  /** Attempts begun by a handler, after which a message is dead-lettered (count). */
  readonly attemptsMax: number;
  /**
   * `"perReceiver"`: a receiver that is alone gets retries before later messages. `"total"`: one receiver at a time
   * gets messages, in order. `"none"`: neither.
   */
  readonly order: "perReceiver" | "none" | "total";
  /** Limit on dead letters: beyond it, messages are retried after a back-off instead (count). */
  readonly deadLettersMax: number;
}

/** A message in back-off, independent of the clock of the process. */
export interface SavedBackOff {
  /** Attempts so far (count). */
  readonly attempts: number;
  /** Remaining back-off (milliseconds). */
  readonly backOffMs: number;
}

/** The state of a dispatcher that must outlive the process: small, since it consists of ranges. */
export interface DispatcherState {
  /** Every seq up to this one is settled. */
  readonly floor: number;
  /** Settled above the floor. */
  readonly settled: readonly SeqRange[];
  /** Not settled, not leased, and dispatched before: attempts so far (count). */
  readonly attempts: readonly ValuedRange<number>[];
  /** Leased: attempts including the current one, whether that has begun or not (count). */
  readonly leased: readonly ValuedRange<number>[];
  readonly suspects: SuspectsState;
  /** Times of the first attempts of unsettled messages, as far as known (ms since 1970). */
  readonly firsts: readonly ValuedRange<number>[];
  /** In back-off: not settled, and not leased before the back-off ends. */
  readonly backOffs: readonly ValuedRange<SavedBackOff>[];
  readonly dead: Iterable<ValuedRange<DeadLetterRecord>>;
  /** Receivers that may have held messages. */
  readonly receivers: readonly string[];
}

/** An input of a {@link Dispatcher}. */
export type DispatcherEvent =
  /** The next batch is stored and available for sending. */
  | {
      readonly type: "fed";
      readonly first: number;
      readonly last: number;
      /** Length of the batch (bytes). */
      readonly bytes: number;
    }
  /** A receiver connected, and claims the messages that it still holds and those that it has processed. */
  | {
      readonly type: "joined";
      readonly link: number;
      readonly receiver: string;
      /** Identifies the process among those with this name; empty where the receiver does not report it. */
      readonly incarnation: string;
      readonly prefetch: number;
      readonly prefetchBytesMax: number;
      readonly held: readonly SeqRange[];
      readonly done: readonly SeqRange[];
      /** Whether the output queue of its connection is long already, see `congested`; default false. */
      readonly congested?: boolean | undefined;
    }
  | { readonly type: "acked"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** The receiver's application has begun these, or, with `wantsGo`, begins them once it learns that this is saved. */
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
      /** Delay before the next attempt; null: the dispatcher's own back-off. */
      readonly delayMs: number | null;
      /** The handler's error; null where none is reported. */
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
  /** The connection is lost; the receiver may reconnect. */
  | { readonly type: "lost"; readonly link: number }
  /** The connection is up, but the receiver sends nothing. */
  | { readonly type: "silent"; readonly link: number }
  /** The output queue of the link's connection is long: the link gets nothing more, whatever it gives back. */
  | { readonly type: "congested"; readonly link: number }
  /** The output queue is short again. */
  | { readonly type: "relieved"; readonly link: number }
  /** The receiver has closed its session. */
  | { readonly type: "left"; readonly link: number }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** Drop the oldest messages that no receiver holds. */
  | { readonly type: "drop"; readonly count: number }
  /** Messages are no longer in the journal, or are damaged there: they cannot be sent. */
  | {
      readonly type: "missing";
      readonly first: number;
      readonly last: number;
      /** The link that they were to be sent to; null: they were read for the first time, not yet dispatched. */
      readonly link: number | null;
    }
  /** Forget dead letters. */
  | { readonly type: "purged"; readonly ranges: readonly SeqRange[] }
  /** Copies of dead letters are being written to the journal under these seqs, which must not be dispatched. */
  | { readonly type: "copying"; readonly first: number; readonly last: number }
  /** The copies could not be stored: their seqs will belong to other messages. */
  | { readonly type: "notCopied"; readonly first: number; readonly last: number }
  /** The copies are stored, with consecutive seqs, and replace the originals. */
  | { readonly type: "copied"; readonly moves: readonly DeadLetterMove[] };

/** The outcome of a message. `copy`: it is the copy of a dead letter, which was settled before. */
export type Outcome = "processed" | "dead" | "dropped" | "lost" | "copy";

/** What is kept of the outcome of a message. */
export type Settled = "dead" | "settled";

/** An action that a {@link Dispatcher} requests. */
export type DispatcherAction =
  /** Send the range. If it was never dispatched before, it lies within one batch; otherwise it may span several. */
  | {
      readonly type: "send";
      readonly link: number;
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      /** Whether the receiver must begin them alone, and only after a `go`. */
      readonly guarded: boolean;
    }
  /** Save that these messages are begun; then permit the link to begin them. */
  | { readonly type: "go"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** These messages will never be sent again. */
  | {
      readonly type: "settled";
      readonly outcome: Outcome;
      readonly first: number;
      readonly last: number;
    }
  /** The link has no lease of these messages, or no longer. */
  | { readonly type: "revoked"; readonly link: number; readonly ranges: readonly SeqRange[] }
  /** These messages are settled, though not by the link, which need not wait for them. */
  | {
      readonly type: "settledElsewhere";
      readonly link: number;
      readonly ranges: readonly SeqRange[];
    }
  /** Whether the link must keep order has changed; `awaited` are the messages that it then has to wait for. */
  | {
      readonly type: "ordering";
      readonly link: number;
      readonly ordered: boolean;
      readonly awaited: readonly SeqRange[];
    }
  /** The limit of dead letters is reached: these messages will be retried instead. */
  | { readonly type: "deadLettersFull"; readonly first: number; readonly last: number };

/**
 * Translates a receiver's link message about messages into an event of the dispatcher. Pure.
 *
 * @param link the dispatcher's number of the session
 * @returns null: the link message is not about messages
 */
export function dispatcherEvent(link: number, message: LinkMessage): DispatcherEvent | null {
  const { ranges, argument, text } = message;
  switch (message.type) {
    case "ack":
      return { type: "acked", link, ranges };
    case "begun":
      return { type: "begun", link, ranges, wantsGo: argument === ARGUMENT_GO };
    case "nack": {
      const delayMs = argument === ARGUMENT_NONE ? null : argument;
      return { type: "nacked", link, ranges, delayMs, error: decodeError(text) };
    }
    case "reject":
      return { type: "rejected", link, ranges, ...decodeRejection(message) };
    case "release":
      return { type: "released", link, ranges };
    case "extend":
      return { type: "extended", link, ranges, leaseMs: argument };
    default:
      return null;
  }
}
