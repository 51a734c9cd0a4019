import type { EpochStart } from "./epochs.ts";
import type { SeqRange } from "./range.ts";

/** What a receiver remembers of a stream across restarts. */
export interface WindowState {
  readonly epoch: number;
  /** Every seq up to this one is settled at the sender. */
  readonly floor: number;
  /** Processed, and perhaps not known to the sender. */
  readonly done: readonly SeqRange[];
}

/** What happens to a {@link Window}. `P` is the batch that the messages are in, which it never looks into. */
export type WindowEvent<P> =
  /** A session begins. What an older epoch said of seqs from the start of a newer one on is void. */
  | {
      readonly type: "opened";
      readonly floor: number;
      readonly epoch: number;
      /** Where this epoch and those before it began, oldest first. */
      readonly epochs: readonly EpochStart[];
    }
  /** The connection is gone. */
  | { readonly type: "closed" }
  | {
      readonly type: "data";
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      readonly batch: P;
    }
  /** The sender knows our first `acks` acks durably, and has settled everything up to `floor`. */
  | { readonly type: "news"; readonly acks: number; readonly floor: number }
  /** Whether order is to be kept, and which lower messages then have to come first. */
  | { readonly type: "order"; readonly ordered: boolean; readonly awaited: readonly SeqRange[] }
  /** The lease is over: what we hold of these is no longer ours. */
  | { readonly type: "lost"; readonly ranges: readonly SeqRange[] }
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
      readonly batch: P;
    }
  /** The application gave these back, to be tried again. */
  | { readonly type: "returned"; readonly first: number; readonly last: number }
  /** The application never wants to see these again: nor does it, whatever becomes of the word. */
  | { readonly type: "rejected"; readonly first: number; readonly last: number };

/** Messages that lie together in a batch, ready for the application. */
export interface WindowItem<P> extends SeqRange {
  readonly attempt: number;
  readonly batch: P;
}
