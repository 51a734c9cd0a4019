import type { ConfirmLevel } from "../../core/send-options.ts";
import type { Settle } from "../../wait.ts";

/** The calls that wait for the messages of a batch. */
export interface Pending {
  /** One promise for all calls that wait until the batch is stored. */
  stored: { readonly promise: Promise<void>; readonly settle: Settle<void> } | null;
  /** Calls that wait for a higher level, with the index of their message in the batch. */
  readonly later: {
    readonly index: number;
    readonly level: ConfirmLevel;
    readonly settle: Settle<void>;
  }[];
  /** Deduplication ids, with the index of their message in the batch. */
  readonly ids: { readonly index: number; readonly known: KnownId }[];
}

/** A remembered deduplication id. */
export interface KnownId {
  /** The beginning of its SHA-256, one character per byte. */
  readonly hash: string;
  /** Number of its page; null while its message is not appended. */
  page: number | null;
  /** Seq of its message; 0 while that is not appended. */
  seq: number;
  /** How its message ended, if that is recorded nowhere else; null: see the journal's state. */
  end: "dead" | "dropped" | "lost" | null;
  /** While its message is being appended: the calls that wait for it. */
  first: { readonly pending: Pending; readonly index: number } | null;
}
