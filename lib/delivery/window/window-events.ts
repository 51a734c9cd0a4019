import type { Incarnation } from "../protocol/incarnations.ts";
import type { LinkMessage } from "../protocol/link-message.ts";
import type { SeqRange } from "../range/range.ts";

/** The state of a stream that a receiver remembers across restarts. */
export interface WindowState {
  /** The stream's lives as of the newest session, oldest first. */
  readonly incarnations: readonly Incarnation[];
  /** Every seq up to this one is settled at the sender. */
  readonly floor: number;
  /** Processed; the sender may not have stored the acks. */
  readonly done: readonly SeqRange[];
}

/** An input of a {@link Window}. `P` is the batch that contains the messages; the window never reads it. */
export type WindowEvent<P> =
  /** A session begins. Everything known from the seq at which the histories diverge on is invalidated. */
  | {
      readonly type: "opened";
      readonly floor: number;
      /** The stream's lives as its sender reports them, oldest first. */
      readonly incarnations: readonly Incarnation[];
    }
  /** The session has ended. */
  | { readonly type: "closed" }
  | {
      readonly type: "data";
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      readonly guarded: boolean;
      readonly batch: P;
    }
  /** The sender has stored our first `acks` acks, and has settled everything up to `floor`. */
  | { readonly type: "progress"; readonly acks: number; readonly floor: number }
  /** Whether order is to be kept, and which messages then have to be delivered before later ones. */
  | { readonly type: "ordering"; readonly ordered: boolean; readonly awaited: readonly SeqRange[] }
  /** The lease of these messages has ended: this receiver no longer has a right to them. */
  | { readonly type: "revoked"; readonly ranges: readonly SeqRange[] }
  /** The sender has saved that these messages, which are guarded, are begun. */
  | { readonly type: "go"; readonly ranges: readonly SeqRange[] }
  /** These messages are settled, and will not be sent again: nothing has to wait for them. */
  | { readonly type: "settled"; readonly ranges: readonly SeqRange[] }
  /** The application has processed these messages. */
  | { readonly type: "done"; readonly first: number; readonly last: number }
  /** The application puts these messages back without having read them. */
  | {
      readonly type: "unread";
      readonly first: number;
      readonly last: number;
      readonly attempt: number;
      readonly guarded: boolean;
      readonly batch: P;
    }
  /** The application gave these messages back, to be retried. */
  | { readonly type: "returned"; readonly first: number; readonly last: number }
  /** Messages whose lease has ended, and that the application does not work on: received again, they are delivered. */
  | { readonly type: "abandoned"; readonly first: number; readonly last: number }
  /** The application rejected these messages. They are never delivered again, even if the rejection gets lost. */
  | { readonly type: "rejected"; readonly first: number; readonly last: number };

/** Consecutive messages of one batch, ready for the application. */
export interface WindowItem<P> extends SeqRange {
  readonly attempt: number;
  /** Whether the application must begin them alone, one at a time. */
  readonly guarded: boolean;
  readonly batch: P;
}

/**
 * Translates a sender's link message about messages into an event of its stream's window. Pure.
 *
 * @returns null: the link message is not about messages
 */
export function windowEvent(message: LinkMessage): WindowEvent<never> | null {
  const { ranges, argument, number } = message;
  switch (message.type) {
    case "progress":
      return { type: "progress", acks: number, floor: ranges[0]?.last ?? 0 };
    case "ordering":
      return { type: "ordering", ordered: argument === 1, awaited: ranges };
    case "settled":
      return { type: "settled", ranges };
    case "go":
      return { type: "go", ranges };
    case "revoked":
      return { type: "revoked", ranges };
    default:
      return null;
  }
}
