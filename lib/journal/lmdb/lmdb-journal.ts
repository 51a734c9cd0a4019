import { randomBytes } from "node:crypto";
import type { Key, RootDatabase } from "lmdb";
import { Batch, checkBatch } from "../../batch/batch.ts";
import { streamBytes } from "../../batch/layout.ts";
import type { Damage } from "../../errors.ts";
import { integer, resolveOptions } from "../../options.ts";
import type { Group } from "../commit/group-queue.ts";
import { type DirectoryLock, lockDirectory } from "../disk/directory-lock.ts";
import { corruptError } from "../disk/disk-errors.ts";
import { ensureDirectory } from "../disk/ensure-directory.ts";
import { journalPlace } from "../disk/journal-place.ts";
import { nodeDisk } from "../disk/node-disk.ts";
import { type ValueChanges, ValueTable } from "../format/values.ts";
import { readSeqFirst, seqFirstChange } from "../holds.ts";
import type { JournalStats, VerifyReport } from "../journal.ts";
import { journalClosedError, LocalJournal } from "../local-journal.ts";
import { type BatchCursor, gap } from "../reader.ts";
import { lmdbFailure } from "./lmdb-failure.ts";
import { bytesInUse, type CommitKind, checkRoom, type StoreStats } from "./lmdb-room.ts";

/** Options of {@link LmdbJournal}. */
export interface LmdbJournalOptions {
  /**
   * Length at which a batch is closed and further entries go to the next one (bytes). Default 65
   * 536: one frame on the wire.
   */
  readonly batchBytesMax?: number | undefined;
  /**
   * Most bytes that may wait to be stored; beyond this, appends fail with `BROKERLESS_FULL`.
   * Default 268 435 456.
   */
  readonly pendingBytesMax?: number | undefined;
  /**
   * Most bytes of pages in use; beyond this, appends fail with `BROKERLESS_NO_SPACE`. Default 2^40:
   * address space, not disk space.
   */
  readonly mapBytesMax?: number | undefined;
}

const SPEC = {
  rules: {
    batchBytesMax: integer(256, 2 ** 28),
    pendingBytesMax: integer(65_536, 2 ** 30),
    mapBytesMax: integer(2 ** 20, 2 ** 46),
  },
  defaults: { batchBytesMax: 65_536, pendingBytesMax: 2 ** 28, mapBytesMax: 2 ** 40 },
};

/** Key of a batch, with the seq of its first entry; values are stored by name. */
const BATCH = "batch";
const VALUE = "value";
const STREAM = "stream";
const SEQ_END = Number.MAX_SAFE_INTEGER;
type Store = RootDatabase<Buffer, Key>;

/**
 * A journal in an LMDB database: for programs that use one already and want their own rows in the
 * same transactions, or reads by position without segments. Each commit is one transaction, synced.
 *
 * The epoch is always 1. It would rise where history can be lost that somebody has seen, but here
 * nobody sees an entry before its transaction is on the disk; there is no repair, and no weaker
 * sync level. If an older copy of the files is put in place, this is not detected, as for every
 * journal whose files are replaced as a whole.
 *
 * `stats().bytesKept` is the space of the database's pages, other rows in it included.
 *
 * Needs the npm package `lmdb`, which brokerless does not install.
 *
 * @example
 * ```ts
 * await using journal = await LmdbJournal.open("log");
 * await journal.append(Buffer.from("an entry")); // resolves when its transaction is on disk
 * ```
 *
 * @see docs/decisions/0025-failing-disks.md
 */
export class LmdbJournal extends LocalJournal {
  /** The id of the stream (32 hex digits). */
  readonly stream: string;
  /** Always 1: LMDB loses nothing that it has stored. */
  readonly epoch = 1;
  readonly #store: Store;
  readonly #lock: DirectoryLock;
  readonly #place: { readonly directory: string; readonly mapBytesMax: number };
  readonly #streamBytes: Uint8Array;
  readonly #counts = { bytesWritten: 0, commits: 0 };
  #timeMs: number;
  #isClosed = false;
  /** Space of the database when it was closed (bytes). */
  #bytesAtClose = 0;
  #frees: Promise<unknown> = Promise.resolve();

  /**
   * Opens the database in a directory, or creates it.
   *
   * @param path directory of the database; missing parents are created
   * @throws TypeError for an invalid option
   * @throws BrokerlessError BROKERLESS_LOCKED while another writer has it,
   *   BROKERLESS_JOURNAL_FAILED where `lmdb` is missing or refuses
   */
  static async open(path: string, options?: LmdbJournalOptions): Promise<LmdbJournal> {
    const { mapBytesMax, ...bounds } = resolveOptions("LmdbJournal", options, SPEC);
    const directory = journalPlace("LmdbJournal", path);
    let store: Store | null = null;
    let lock: DirectoryLock | null = null;
    try {
      const lmdb = await import(/* webpackIgnore: true */ /* @vite-ignore */ "lmdb");
      await ensureDirectory(nodeDisk, directory);
      lock = await lockDirectory(directory);
      store = lmdb.open<Buffer, Key>({
        path: directory,
        // A directory even if its name contains dots.
        noSubdir: false,
        encoding: "binary",
        mapSize: mapBytesMax,
        // Otherwise a transaction resolves before it is on the disk.
        overlappingSync: false,
      });
      let id = store.get(STREAM);
      if (id === undefined) {
        id = randomBytes(16);
        await store.put(STREAM, id);
      }
      const found = { store, lock, id, last: lastBatch(store), table: readTable(store) };
      return new LmdbJournal({ ...found, directory, mapBytesMax }, bounds);
    } catch (error) {
      await store?.close();
      await lock?.release();
      throw await lmdbFailure(error, `open the LMDB journal in ${directory}`);
    }
  }

  private constructor(
    found: {
      readonly store: Store;
      readonly lock: DirectoryLock;
      readonly id: Buffer;
      readonly last: Batch | null;
      readonly table: ValueTable;
      readonly directory: string;
      readonly mapBytesMax: number;
    },
    bounds: { readonly batchBytesMax: number; readonly pendingBytesMax: number },
  ) {
    const { store, id, last, table, directory, mapBytesMax } = found;
    super(table, {
      ...bounds,
      aheadBytes: 2 ** 20,
      recycles: true,
      seqNext: Math.max(last === null ? 1 : last.seqLast + 1, readSeqFirst(table)),
      commitBytesMax: 2 ** 22,
      store: (group) => this.#commit(group),
    });
    this.#store = store;
    this.#lock = found.lock;
    this.#place = { directory, mapBytesMax };
    this.stream = id.toString("hex");
    this.#streamBytes = streamBytes(this.stream);
    this.#timeMs = last?.timeMs ?? 0;
  }

  /** The first seq that is kept. */
  get seqFirst(): number {
    return readSeqFirst(this.table);
  }

  /** Counters and gauges. Cheap. */
  stats(): JournalStats {
    const bytesKept = this.#isClosed ? this.#bytesAtClose : this.#bytesInUse;
    const { bytesWritten, commits } = this.#counts;
    const entriesKept = this.seqStored + 1 - this.seqFirst;
    const { pendingBytes } = this;
    return { entriesKept, bytesKept, pendingBytes, bytesWritten, commits, syncs: commits };
  }

  protected async freeBefore(seq: number): Promise<void> {
    await this.intake.appendAll([], seqFirstChange(seq));
    // The rest is removed at the next call.
    if (this.#isClosed) return;
    const removals: Promise<boolean>[] = [];
    for (const { value } of this.#store.getRange({ start: [BATCH, 1], end: [BATCH, seq] })) {
      const { seqFirst, seqLast } = new Batch(value);
      if (seqLast < seq) removals.push(this.#store.remove([BATCH, seqFirst]));
    }
    const removed = Promise.all(removals);
    this.#frees = Promise.allSettled([this.#frees, removed]);
    await removed;
  }

  protected async check(): Promise<VerifyReport> {
    const damage: (Damage & { readonly reason: string })[] = [];
    const sum = { batches: 0, entries: 0, bytes: 0 };
    for (const { key, value } of this.#store.getRange({
      start: [BATCH, 0],
      end: [BATCH, SEQ_END],
    })) {
      const seqFirst = (key as [string, number])[1];
      const reason = checkBatch(value);
      sum.batches++;
      sum.bytes += value.length;
      if (reason === null) sum.entries += new Batch(value).count;
      else damage.push({ file: "data.mdb", offset: 0, seqFirst, seqLast: null, reason });
    }
    return { ok: damage.length === 0, ...sum, damage };
  }

  protected async letGo(): Promise<void> {
    // Following readers have been notified of the last stored entries, and can read them only now.
    await new Promise(setImmediate);
    await this.#frees;
    this.#bytesAtClose = this.#bytesInUse;
    this.#isClosed = true;
    try {
      await this.#store.close();
    } finally {
      await this.#lock.release();
    }
  }

  /** Binary search: times of batches do not decrease within a stream. */
  protected async seqAt(timeMs: number): Promise<number> {
    if (this.#isClosed) throw journalClosedError("before the read began");
    let low = this.seqFirst;
    let high = this.seqStored + 1;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const batch = this.#batchWith(middle);
      if (batch === null) throw missing(middle);
      if (batch.timeMs < timeMs) low = batch.seqLast + 1;
      else high = Math.max(low, batch.seqFirst);
    }
    return high;
  }

  protected cursorAt(from: number): BatchCursor {
    let seq = from;
    return {
      next: async () => {
        if (seq > this.seqStored) return null;
        if (this.#isClosed) throw unread(seq, this.seqStored);
        if (seq < this.seqFirst) throw gap(seq, this.seqFirst);
        const batch = this.#batchWith(seq);
        if (batch === null) throw missing(seq);
        const reason = checkBatch(batch.bytes);
        if (reason !== null) throw damaged(seq, reason);
        seq = batch.seqLast + 1;
        return batch;
      },
      close: async () => {},
    };
  }

  async #commit(group: Group): Promise<void> {
    this.#timeMs = Math.max(this.#timeMs, Date.now());
    const durableBefore = this.seqStored;
    const puts: (readonly [Key, Buffer])[] = [];
    const changes = new Map<string, Uint8Array | null>();
    for (const { draft, seqFirst, values } of group.units) {
      for (const [name, value] of values ?? []) changes.set(name, value);
      if (draft === null) continue;
      const { epoch } = this;
      const stream = this.#streamBytes;
      draft.seal({ stream, epoch, seqFirst, durableBefore, timeMs: this.#timeMs });
      puts.push([[BATCH, seqFirst], draft.batch]);
      this.#counts.bytesWritten += draft.batch.length;
    }
    const lengths = [...puts.map(([, { length }]) => length), ...valueLengths(changes)];
    const wanted = { lengths, kind: kindOf(group) };
    try {
      this.#lock.assertHeld();
      checkRoom(this.#place, wanted, this.#store.getStats() as StoreStats);
      await this.#store.batch(() => this.#put(puts, changes));
      // Stored entries must be where the next open looks.
      this.#lock.assertHeld();
    } catch (error) {
      throw await lmdbFailure(error, `write the LMDB journal in ${this.#place.directory}`);
    }
    this.table.apply(changes);
    this.#counts.commits++;
    process.nextTick(() => this.signal.notify());
  }

  /** Each change has a promise of its own; only the transaction's promise is awaited. */
  #put(puts: readonly (readonly [Key, Buffer])[], changes: ValueChanges): void {
    for (const [key, bytes] of puts) this.#store.put(key, bytes).catch(ignore);
    for (const [name, value] of changes) {
      if (value === null) this.#store.remove([VALUE, name]).catch(ignore);
      else this.#store.put([VALUE, name], Buffer.from(value)).catch(ignore);
    }
  }

  get #bytesInUse(): number {
    return bytesInUse(this.#store.getStats() as StoreStats);
  }

  #batchWith(seq: number): Batch | null {
    const batch = lastBatch(this.#store, seq);
    return batch !== null && batch.seqLast >= seq ? batch : null;
  }
}

/** @returns the batch that starts at `seqMax`, or the last one before it */
function lastBatch(store: Store, seqMax: number = SEQ_END): Batch | null {
  const range = { start: [BATCH, seqMax], end: [BATCH, 0], reverse: true, limit: 1 };
  for (const { value } of store.getRange(range)) return new Batch(Buffer.from(value));
  return null;
}

function kindOf({ units }: Group): CommitKind {
  const drafts = units.filter(({ draft }) => draft !== null);
  if (drafts.length === 0) return "values";
  return drafts.every(({ makesRoom }) => makesRoom) ? "copies" : "entries";
}

function ignore(): void {}

function valueLengths(changes: ValueChanges): number[] {
  return [...changes.values()].map((value) => value?.length ?? 0);
}

function readTable(store: Store): ValueTable {
  const changes = new Map<string, Uint8Array>();
  for (const { key, value } of store.getRange({ start: [VALUE], end: [VALUE, "\uffff"] })) {
    changes.set((key as [string, string])[1], Buffer.from(value));
  }
  const table = new ValueTable();
  table.apply(changes);
  return table;
}

function unread(seq: number, seqStored: number): Error {
  return journalClosedError(`before entries ${seq} to ${seqStored} were read`);
}

function missing(seq: number): Error {
  return damaged(seq, "a batch is missing");
}

function damaged(seq: number, reason: string): Error {
  return corruptError({ file: "data.mdb", offset: 0, seqFirst: seq, seqLast: null }, reason);
}
