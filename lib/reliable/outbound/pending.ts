import type { ConfirmLevel } from "../../core/send-options.ts";
import type { Settle } from "../../wait.ts";

/** Who waits for the messages of a batch. */
export interface Pending {
  /** One promise for all that wait until it is stored. */
  stored: { readonly promise: Promise<void>; readonly settle: Settle<void> } | null;
  /** Those that wait for more, with their place in the batch. */
  readonly later: {
    readonly index: number;
    readonly level: ConfirmLevel;
    readonly settle: Settle<void>;
  }[];
  /** Those with a deduplication id, with their place in the batch. */
  readonly ids: { readonly index: number; readonly known: KnownId }[];
}

/** A deduplication id that is remembered. */
export interface KnownId {
  /** The beginning of its SHA-256, one character a byte. */
  readonly hash: string;
  /** Number of the page it is on; null while its message is not appended. */
  page: number | null;
  /** Of its message; 0 while that is not appended. */
  seq: number;
  /** How its message ended where nothing else remembers that; null: the journal's state tells. */
  end: "dead" | "dropped" | "lost" | null;
  /** Where its message is on its way into the journal: those who wait for it. */
  first: { readonly pending: Pending; readonly index: number } | null;
}
