import type { Batch } from "../batch/batch.ts";
import type { BatchDraft } from "../batch/batch-encoder.ts";
import type { Entry, EntryInput } from "../batch/entry.ts";
import type { BrokerlessError, Damage } from "../errors.ts";
import type { Appended } from "./commit/appended.ts";

/**
 * The storage of a stream: an append-only log of batches, and small named values beside it.
 *
 * To use another store, implement this interface and keep these promises; `journalConformance` of
 * `brokerless/testing` checks them.
 *
 * 1. **One stream, no gaps.** Entries get `seqNext`, `seqNext + 1`, ... in the order of the calls,
 *    immediately, whatever is still being written. After a reopen the numbering continues after the
 *    last stored entry. A stored seq is never assigned again, not even when all entries are gone.
 * 2. **Stored means stored.** An `Appended` resolves only when the entries, all entries before
 *    them, and the values of the same call will survive whatever this journal's sync level covers.
 *    Commits settle in order of `seq`.
 * 3. **All or nothing.** The entries and values of one call are stored together or not at all.
 * 4. **Readers see only stored entries**, never an entry whose append may still fail.
 * 5. **Failures are reported.** Where one append fails, all later appends in flight fail too, and
 *    nothing of them is stored, so that no gap appears. After `BROKERLESS_NO_SPACE` the journal
 *    continues, and their seqs are assigned again. After `BROKERLESS_JOURNAL_FAILED` it has ended,
 *    and every further call fails with that code.
 * 6. **Bounded.** Appends that are not stored yet take at most `pendingBytesMax`, plus one append.
 *    Beyond that, `append` fails with `BROKERLESS_FULL` and changes nothing.
 * 7. **Bytes pass through.** Batches from `read` carry stream, epoch, seq and a checksum, and can
 *    be sent unchanged. An appended buffer may be reused when `append` returns. The bytes of a
 *    draft belong to the journal until it is stored, and the journal does not change them
 *    afterwards.
 *
 * Calls with invalid arguments throw a TypeError and change nothing. Calls after `close` fail with
 * `BROKERLESS_CLOSED`.
 *
 * @see docs/guarantees.md
 */
export interface Journal {
  /** Id of the stream, 32 hex digits; it never changes. */
  readonly stream: string;
  /** Epoch of the stream; it rises only when history may differ from what a peer has seen. */
  readonly epoch: number;
  /** The first entry that is kept; `seqNext` where there is none. */
  readonly seqFirst: number;
  /** The last entry that is stored at this journal's sync level; 0 before the first. */
  readonly seqStored: number;
  /** The seq of the next append. */
  readonly seqNext: number;
  /** Bytes appended and not yet stored. */
  readonly pendingBytes: number;
  /** Whether `append` would fail with `BROKERLESS_FULL` now. */
  readonly full: boolean;

  /**
   * Appends one entry, or several that are stored together or not at all.
   *
   * @returns the seq at once; awaited, it resolves when the append is stored, and rejects with
   *   `BROKERLESS_FULL`, `BROKERLESS_TOO_LARGE`, `BROKERLESS_NO_SPACE`, `BROKERLESS_JOURNAL_FAILED`
   *   or `BROKERLESS_CLOSED`
   * @throws TypeError for anything but bytes or entries
   *
   * @example
   * ```ts
   * await journal.append([{ value: Buffer.from("paid"), key: "order-7" }, Buffer.from("packed")], {
   *   values: { cursor: Buffer.from("42") },
   * });
   * ```
   */
  append(
    entries: Uint8Array | EntryInput | readonly (Uint8Array | EntryInput)[],
    options?: AppendOptions,
  ): Appended;
  /**
   * Appends a draft as one batch, without copying it: the same bytes can then be sent. Otherwise
   * like `append`.
   */
  appendDraft(draft: BatchDraft, options?: DraftOptions): Appended;
  /** Stores named values without entries. Otherwise like `append`. */
  set(values: Values): Appended;
  /**
   * Returns a stored value.
   *
   * @returns its bytes, which must not be changed, or `null` for an unknown name
   */
  get(name: string): Uint8Array | null;
  /**
   * Resolves when there is room for an append: the pending bytes are at most half of their limit.
   */
  room(): Promise<void>;
  /**
   * Makes all earlier appends durable, whatever the sync level.
   *
   * @throws BrokerlessError the failure of an append since the last `sync`, where nobody awaited an
   *   append of that commit: so a loss is reported even to a program that awaits none
   */
  sync(): Promise<void>;
  /**
   * Reads stored entries in order.
   *
   * @throws TypeError for an invalid position or an unknown option
   */
  read(options?: ReadOptions): JournalReader;
  /**
   * Protects all entries from `seq` on against retention and `truncateBefore`, until the hold is
   * moved or released. Holds are stored: a reopened journal has them.
   *
   * @throws TypeError for an invalid name or seq
   */
  hold(name: string, seq: number): Promise<void>;
  /** Ends a hold; without a hold of that name nothing happens. */
  release(name: string): Promise<void>;
  /** All holds by name, with their seq. */
  holds(): ReadonlyMap<string, number>;
  /**
   * Frees entries below `seq`, except those that a hold protects. A journal may keep more than it
   * has to.
   *
   * @returns the first seq that is still kept
   */
  truncateBefore(seq: number): Promise<number>;
  /** Reads and checks everything stored. */
  verify(): Promise<VerifyReport>;
  /** Counters and gauges; cheap. */
  stats(): JournalStats;
  /**
   * Stores all pending appends, then releases all resources. Further calls return the same promise.
   * `get`, `holds`, `stats` and the seqs keep returning the final state.
   *
   * @throws BrokerlessError as `sync` does, after everything is released
   */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Small named values, such as a cursor or the state of acknowledgements. `null` deletes a value.
 */
export type Values = Readonly<Record<string, Uint8Array | null>>;

/** Options of `Journal.append`. */
export interface AppendOptions {
  /**
   * Named values, stored together with the entries or not at all. All values of a journal together:
   * at most 1 MiB. Default: none.
   */
  readonly values?: Values | undefined;
}

/** Options of `Journal.appendDraft`. */
export interface DraftOptions extends AppendOptions {
  /**
   * Whether the draft holds copies of entries that keep many others from being freed until it is
   * stored. A journal may reserve space for such drafts for when its disk is full. Default false.
   */
  readonly makesRoom?: boolean | undefined;
}

/**
 * The start of a read: a seq, the first batch that was sealed at or after a time (ms since 1970, or
 * a Date), the first kept entry, or the position after the last stored entry.
 */
export type ReadFrom =
  | number
  | { readonly seq: number }
  | { readonly time: number | Date }
  | "start"
  | "end";

/** Options of `Journal.read`. */
export interface ReadOptions {
  /** Start of the read. Default `"start"`. */
  readonly from?: ReadFrom | undefined;
  /**
   * Whether the read waits for entries that are stored later, and ends only when it or the journal
   * is closed. Default false.
   */
  readonly follow?: boolean | undefined;
  /** Aborts the read: the iteration rejects with `signal.reason`. Default: none. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called for entries that are damaged, lost, or no longer kept, after which the read continues.
   * Without it, and in journals that cannot continue, the iteration rejects.
   */
  readonly onMissing?: ((missing: MissingEntries) => void) | undefined;
}

/** A range of entries that a read could not deliver. */
export interface MissingEntries {
  /** The first seq that is missing. */
  readonly seqFirst: number;
  /** The last seq that is missing. */
  readonly seqLast: number;
  /**
   * `BROKERLESS_GAP` or `BROKERLESS_CORRUPT`: the error with which a read without `onMissing`
   * rejects.
   */
  readonly error: BrokerlessError;
}

/**
 * Reads entries in order of `seq`, one by one or, faster, with `batches()`. One consumer at a time.
 *
 * When the journal is closed, an iteration that has delivered everything ends. Any other one
 * delivers the rest, or rejects with `BROKERLESS_CLOSED` where the store can no longer be read; it
 * never ends early without an error.
 *
 * The iteration rejects with `BROKERLESS_GAP` when the position is no longer kept (for a read from
 * the start: when the next entry is no longer kept, once one was delivered), with
 * `BROKERLESS_DIVERGED` when the stream never had it, with `BROKERLESS_CORRUPT` when bytes are
 * damaged, and with `BROKERLESS_JOURNAL_FAILED` when they cannot be read.
 *
 * @example
 * ```ts
 * for await (const { seq, value } of journal.read({ from: { time: Date.now() - 60_000 } })) {
 *   console.log(seq, String(value));
 * }
 * ```
 */
export interface JournalReader extends AsyncIterable<Entry> {
  /** Iterates batch by batch. The views stay valid for as long as they are held. */
  batches(): AsyncIterableIterator<Batch>;
  /** Ends the iteration and closes files. */
  close(): Promise<void>;
}

/** Result of `Journal.verify`. */
export interface VerifyReport {
  /** Whether nothing is damaged. */
  readonly ok: boolean;
  /** Batches read (count). */
  readonly batches: number;
  /** Entries in them (count). */
  readonly entries: number;
  /** Bytes read. */
  readonly bytes: number;
  /** Each damaged place, and the fault there. */
  readonly damage: readonly (Damage & { readonly reason: string })[];
}

/** Counters since the journal was opened, and gauges. */
export interface JournalStats {
  /** Kept entries, from `seqFirst` on (count). */
  readonly entriesKept: number;
  /** Space of the kept entries on disk, or in memory (bytes). */
  readonly bytesKept: number;
  /**
   * Approximate share of `bytesKept` that the entries from `seqFirst` on need: less where only
   * whole files are freed (bytes). Where it is absent, all of `bytesKept`.
   */
  readonly bytesNeeded?: number | undefined;
  /** Entries waiting to be stored (bytes). */
  readonly pendingBytes: number;
  /** Written since the open (bytes). */
  readonly bytesWritten: number;
  /** Commits since the open; all entries of a commit share a write (count). */
  readonly commits: number;
  /** Syncs since the open (count). */
  readonly syncs: number;
}
