import type { Batch } from "../batch/batch.ts";
import type { BatchDraft } from "../batch/batch-encoder.ts";
import type { Entry, EntryInput } from "../batch/entry.ts";
import type { BrokerlessError, Damage } from "../errors.ts";
import type { Appended } from "./commit/appended.ts";

/**
 * Where a stream is kept: an append-only log of batches, and small named values beside it.
 *
 * Write one for another store by keeping these promises; `journalConformance` of
 * `brokerless/testing` checks them.
 *
 * 1. **One stream, no holes.** Entries get `seqNext`, `seqNext + 1`, ... in the order of the calls,
 *    at once, whatever is still being written. After a reopen the count goes on behind the last
 *    stored entry; a seq that was stored is never given again, not even when all entries are gone.
 * 2. **Stored means stored.** An `Appended` resolves only when the entries, all before them, and the
 *    values given with them will be there after whatever this journal's sync level covers. Commits
 *    settle in order of `seq`.
 * 3. **All or nothing.** The entries and values of one call are stored together or not at all.
 * 4. **Readers see what is stored**, and nothing else: never an entry whose append may still fail.
 * 5. **Failure is loud.** Where one append fails, all after it in flight fail too, and nothing of
 *    them is stored, so that no hole appears. With `BROKERLESS_NO_SPACE` the journal goes on: their
 *    seqs are given anew. With `BROKERLESS_JOURNAL_FAILED` it is over: each further call fails so.
 * 6. **Bounded.** What is appended and not stored takes at most `pendingBytesMax`, plus one append;
 *    beyond, `append` fails with `BROKERLESS_FULL` and changes nothing.
 * 7. **Bytes pass through.** Batches from `read` carry stream, epoch, seq and a checksum, and can be
 *    sent as they are. An appended buffer may be reused when `append` returns; the bytes of a draft
 *    belong to the journal until it is stored, and are not changed by it afterwards.
 *
 * Calls with wrong arguments throw a TypeError and change nothing. Calls after `close` fail with
 * `BROKERLESS_CLOSED`.
 */
export interface Journal {
  /** Id of the stream, 32 hex digits; it never changes. */
  readonly stream: string;
  /** Lineage of the stream; it rises only when history may differ from what a peer has seen. */
  readonly epoch: number;
  /** The first entry that is still kept; `seqNext` where there is none. */
  readonly seqFirst: number;
  /** The last entry that is stored at this journal's sync level; 0 before the first. */
  readonly seqStored: number;
  /** The seq that the next append gets. */
  readonly seqNext: number;
  /** What is appended and not yet stored (bytes). */
  readonly pendingBytes: number;
  /** Whether `append` would fail with `BROKERLESS_FULL` now. */
  readonly full: boolean;

  /**
   * Appends one entry, or several that are stored all or none.
   *
   * @returns the seq at once and, awaited, when it is stored; rejects with `BROKERLESS_FULL`,
   *   `BROKERLESS_TOO_LARGE`, `BROKERLESS_NO_SPACE`, `BROKERLESS_JOURNAL_FAILED` or
   *   `BROKERLESS_CLOSED`
   * @throws TypeError for what is not bytes
   */
  append(
    entries: Uint8Array | EntryInput | readonly (Uint8Array | EntryInput)[],
    options?: AppendOptions,
  ): Appended;
  /**
   * Appends a draft as one batch, without copying it: the same bytes are then ready to be sent.
   * Contract as for `append`.
   */
  appendDraft(draft: BatchDraft, options?: DraftOptions): Appended;
  /** Stores named values alone. Contract as for `append`. */
  set(values: Values): Appended;
  /** @returns the stored value of a name, which must not be changed, or `null` */
  get(name: string): Uint8Array | null;
  /** Resolves when an append finds room: the pending bytes are at most half of their bound. */
  room(): Promise<void>;
  /**
   * Makes everything that was appended before durable, whatever the sync level.
   *
   * @throws BrokerlessError what made an append fail since the last `sync`, where nobody awaited an
   *   append of that commit: so a program that awaits none still hears of a loss
   */
  sync(): Promise<void>;
  /** Reads stored entries in order. */
  read(options?: ReadOptions): JournalReader;
  /**
   * Keeps every entry from `seq` on, against retention and `truncateBefore`, until the hold is
   * moved or released. Holds are stored: a reopened journal has them.
   */
  hold(name: string, seq: number): Promise<void>;
  /** Ends a hold; without one of that name nothing happens. */
  release(name: string): Promise<void>;
  /** The holds and where they stand. */
  holds(): ReadonlyMap<string, number>;
  /**
   * Frees entries below `seq`, as far as no hold keeps them. A journal may keep more than it must.
   *
   * @returns the first seq that is still kept
   */
  truncateBefore(seq: number): Promise<number>;
  /** Reads everything that is stored and checks it. */
  verify(): Promise<VerifyReport>;
  /** Counters and gauges; cheap. */
  stats(): JournalStats;
  /**
   * Stores what was appended, then lets go of everything. Further calls give the same promise. `get`, `holds`, `stats`
   * and the seqs go on telling what was at the end.
   *
   * @throws BrokerlessError as `sync` does, after everything is let go
   */
  close(): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Small named values: a cursor, the state of acknowledgements. `null` deletes. */
export type Values = Readonly<Record<string, Uint8Array | null>>;

/** What goes with an append. */
export interface AppendOptions {
  /** Stored with the entries, all or none. All values of a journal together: at most 1 MiB. */
  readonly values?: Values | undefined;
}

/** What goes with a draft. */
export interface DraftOptions extends AppendOptions {
  /**
   * They are copies of entries that hold many others back, which can be freed when these are stored: a journal may hold
   * back space for them, for when its disk is full. Default false.
   */
  readonly makesRoom?: boolean | undefined;
}

/**
 * Where a read starts: at a seq, at the first batch that was sealed at or after a time (ms since
 * 1970, or a Date), at the first entry that is kept, or behind the last one that is stored.
 */
export type ReadFrom =
  | number
  | { readonly seq: number }
  | { readonly time: number | Date }
  | "start"
  | "end";

/** What to read. */
export interface ReadOptions {
  /** Default `"start"`. */
  readonly from?: ReadFrom | undefined;
  /** Goes on with what is stored later, and ends only when it or the journal is closed. Default false. */
  readonly follow?: boolean | undefined;
  /** Ends the read: the iteration rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Goes on behind entries that are damaged, were lost, or are not kept, and tells which; without it, and in journals
   * that cannot, the iteration rejects.
   */
  readonly onMissing?: ((missing: MissingEntries) => void) | undefined;
}

/** Entries that a read did not find. */
export interface MissingEntries {
  /** The first seq that is missing. */
  readonly seqFirst: number;
  /** The last seq that is missing. */
  readonly seqLast: number;
  /** `BROKERLESS_GAP` or `BROKERLESS_CORRUPT`: what a read without `onMissing` rejects with. */
  readonly error: BrokerlessError;
}

/**
 * Entries in order of `seq`; `batches()` is the fast way. One consumer at a time.
 *
 * When the journal is closed an iteration that has given everything ends. One that has not gives the rest, or rejects with
 * `BROKERLESS_CLOSED` where the store cannot be read any more; it never ends before without a word.
 *
 * The iteration rejects with `BROKERLESS_GAP` when the position is not kept any more (from the start:
 * what comes next, once something was given), with
 * `BROKERLESS_DIVERGED` when the stream never had it, with `BROKERLESS_CORRUPT` when bytes are
 * damaged, and with `BROKERLESS_JOURNAL_FAILED` when they cannot be read.
 */
export interface JournalReader extends AsyncIterable<Entry> {
  /** The same, batch by batch. The views stay valid for as long as they are held. */
  batches(): AsyncIterableIterator<Batch>;
  /** Ends the iteration and lets go of files. */
  close(): Promise<void>;
}

/** What `verify` found. */
export interface VerifyReport {
  /** Whether nothing is damaged. */
  readonly ok: boolean;
  /** Batches that were read (count). */
  readonly batches: number;
  /** Entries in them (count). */
  readonly entries: number;
  /** Bytes that were read. */
  readonly bytes: number;
  /** Each place that is damaged, and what is wrong there. */
  readonly damage: readonly (Damage & { readonly reason: string })[];
}

/** Counters since the journal was opened, and gauges. */
export interface JournalStats {
  /** Entries from `seqFirst` on (count). */
  readonly entriesKept: number;
  /** What they take on disk, or in memory (bytes). */
  readonly bytesKept: number;
  /**
   * What the entries from `seqFirst` on take of that, about (bytes): less where files are freed as wholes. Where it is
   * missing, all of it.
   */
  readonly bytesNeeded?: number | undefined;
  /** Entries that wait to be stored (bytes). */
  readonly pendingBytes: number;
  /** Written since it was opened (bytes). */
  readonly bytesWritten: number;
  /** Groups that were stored; all entries of one share a write. */
  readonly commits: number;
  /** Syncs since it was opened (count). */
  readonly syncs: number;
}
