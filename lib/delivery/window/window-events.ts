import type { Epoch } from "../protocol/epochs.ts";
import type { LinkMessage } from "../protocol/link-message.ts";
import type { SeqRange } from "../range/range.ts";

/** What a receiver remembers of a stream across restarts. */
export interface WindowState {
  /** The stream's lives as of the newest session, oldest first. */
  readonly epochs: readonly Epoch[];
  /** Every seq up to this one is settled at the sender. */
  readonly floor: number;
  /** Processed, and perhaps not known to the sender. */
  readonly done: readonly SeqRange[];
}

/** What happens to a {@link Window}. `P` is the batch that the messages are in, which it never looks into. */
export type WindowEvent<P> =
  /** A session begins. What is known of seqs from where the histories part on is void. */
  | {
      readonly type: "opened";
      readonly floor: number;
      /** The stream's lives as its sender tells them, oldest first. */
      readonly epochs: readonly Epoch[];
    }
  /** The connection is gone. */
  | { readonly type: "closed" }
  | {
      readonly type: "data";
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      readonly guarded: boolean;
      readonly batch: P;
    }
  /** The sender knows our first `acks` acks durably, and has settled everything up to `floor`. */
  | { readonly type: "news"; readonly acks: number; readonly floor: number }
  /** Whether order is to be kept, and which lower messages then have to come first. */
  | { readonly type: "order"; readonly ordered: boolean; readonly awaited: readonly SeqRange[] }
  /** The lease is over: what we hold of these is no longer ours. */
  | { readonly type: "lost"; readonly ranges: readonly SeqRange[] }
  /** The sender knows that these, which are guarded, are begun. */
  | { readonly type: "go"; readonly ranges: readonly SeqRange[] }
  /** What we gave back of these will not come again. */
  | { readonly type: "gone"; readonly ranges: readonly SeqRange[] }
  /** The application has finished with these. */
  | { readonly type: "done"; readonly first: number; readonly last: number }
  /** The application puts these back as they are: it has not looked at them. */
  | {
      readonly type: "unread";
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      readonly guarded: boolean;
      readonly batch: P;
    }
  /** The application gave these back, to be tried again. */
  | { readonly type: "returned"; readonly first: number; readonly last: number }
  /** The application never wants to see these again: nor does it, whatever becomes of the word. */
  | { readonly type: "rejected"; readonly first: number; readonly last: number };

/** Messages that lie together in a batch, ready for the application. */
export interface WindowItem<P> extends SeqRange {
  readonly attempt: number;
  /** Whether they are to be begun alone, and one at a time. */
  readonly guarded: boolean;
  readonly batch: P;
}

/**
 * What a sender's word of messages means to the window of its stream. Pure.
 *
 * @returns null: it is not a word of messages
 */
export function windowEvent(message: LinkMessage): WindowEvent<never> | null {
  const { ranges, word, number } = message;
  switch (message.type) {
    case "news":
      return { type: "news", acks: number, floor: ranges[0]?.last ?? 0 };
    case "order":
      return { type: "order", ordered: word === 1, awaited: ranges };
    case "gone":
      return { type: "gone", ranges };
    case "go":
      return { type: "go", ranges };
    case "lost":
      return { type: "lost", ranges };
    default:
      return null;
  }
}
