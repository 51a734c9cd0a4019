import { randomBytes } from "node:crypto";
import type { Key, RootDatabase } from "lmdb";
import { Batch, checkBatch } from "../batch/batch.ts";
import { streamBytes } from "../batch/layout.ts";
import type { Damage } from "../errors.ts";
import { integer, resolveOptions } from "../options.ts";
import { corruptError } from "./failure.ts";
import type { Group } from "./group-queue.ts";
import { readSeqFirst, seqFirstChange } from "./holds.ts";
import type { JournalStats, VerifyReport } from "./journal.ts";
import { lmdbFailure } from "./lmdb-failure.ts";
import { bytesInUse, checkRoom, type StoreStats } from "./lmdb-room.ts";
import { LocalJournal } from "./local-journal.ts";
import { type BatchCursor, gap } from "./reader.ts";
import { type ValueChanges, ValueTable } from "./values.ts";

/** How an {@link LmdbJournal} keeps its stream. */
export interface LmdbJournalOptions {
  /** Entries go to the next batch when one has this much. Default 65 536: one frame on the wire. */
  readonly batchBytesMax?: number | undefined;
  /** What may wait to be stored; beyond it appends are refused. Default 268 435 456. */
  readonly pendingBytesMax?: number | undefined;
  /** Most bytes that the pages in use may take; beyond it appends are refused. Default 2^40: address space, not disk. */
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

/** Bytes of a batch, by the seq of its first entry, and values by name. */
const BATCH = "batch";
const VALUE = "value";
const STREAM = "stream";
const SEQ_END = Number.MAX_SAFE_INTEGER;
type Store = RootDatabase<Buffer, Key>;

/**
 * A stream in an LMDB database: for programs that have one already and want their own rows in the
 * same transactions, or reads by position without segments. Each commit is one transaction, synced.
 *
 * The epoch is 1 for ever: it rises where history can be lost that somebody has seen, and here
 * nobody sees an entry before the transaction that holds it is on the disk; there is no repair, and
 * no lazier sync level. Who puts an older copy of the files in place is not noticed, as with every
 * journal whose files are replaced as a whole.
 *
 * `stats().bytesKept` is what the pages of the database take, rows of others in it included.
 *
 * Needs the npm package `lmdb`, which brokerless does not install.
 */
export class LmdbJournal extends LocalJournal {
  readonly stream: string;
  readonly epoch = 1;
  readonly #store: Store;
  readonly #place: { readonly directory: string; readonly mapBytesMax: number };
  readonly #streamBytes: Uint8Array;
  readonly #counts = { bytesWritten: 0, commits: 0 };
  #timeMs: number;
  #isClosed = false;

  /**
   * Opens or makes the database in a directory.
   *
   * @throws TypeError for a wrong option
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where `lmdb` is missing or refuses
   */
  static async open(directory: string, options?: LmdbJournalOptions): Promise<LmdbJournal> {
    const { mapBytesMax, ...bounds } = resolveOptions("LmdbJournal", options, SPEC);
    let store: Store | null = null;
    try {
      const lmdb = await import("lmdb");
      store = lmdb.open<Buffer, Key>({
        path: directory,
        encoding: "binary",
        mapSize: mapBytesMax,
        // Without it a transaction resolves before it is on the disk.
        overlappingSync: false,
      });
      let id = store.get(STREAM);
      if (id === undefined) {
        id = randomBytes(16);
        await store.put(STREAM, id);
      }
      return new LmdbJournal(
        { store, id, last: lastBatch(store), table: readTable(store), directory, mapBytesMax },
        bounds,
      );
    } catch (error) {
      await store?.close();
      throw await lmdbFailure(error, `open the LMDB journal in ${directory}`);
    }
  }

  private constructor(
    found: {
      readonly store: Store;
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
    this.#place = { directory, mapBytesMax };
    this.stream = id.toString("hex");
    this.#streamBytes = streamBytes(this.stream);
    this.#timeMs = last?.timeMs ?? 0;
  }

  get seqFirst(): number {
    return readSeqFirst(this.table);
  }

  stats(): JournalStats {
    const bytesKept = bytesInUse(this.#store.getStats() as StoreStats);
    const { bytesWritten, commits } = this.#counts;
    const entriesKept = this.seqStored + 1 - this.seqFirst;
    const { pendingBytes } = this;
    return { entriesKept, bytesKept, pendingBytes, bytesWritten, commits, syncs: commits };
  }

  protected async freeBefore(seq: number): Promise<void> {
    await this.intake.appendAll([], seqFirstChange(seq));
    const removals: Promise<boolean>[] = [];
    for (const { value } of this.#store.getRange({ start: [BATCH, 1], end: [BATCH, seq] })) {
      const { seqFirst, seqLast } = new Batch(value);
      if (seqLast < seq) removals.push(this.#store.remove([BATCH, seqFirst]));
    }
    await Promise.all(removals);
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
    this.#isClosed = true;
    await this.#store.close();
  }

  /** By halves: times of batches do not fall within a stream. */
  protected async seqAt(timeMs: number): Promise<number> {
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
        if (seq > this.seqStored || this.#isClosed) return null;
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
    checkRoom(
      this.#place,
      { lengths, hasEntries: puts.length > 0 },
      this.#store.getStats() as StoreStats,
    );
    try {
      await this.#store.batch(() => this.#put(puts, changes));
    } catch (error) {
      throw await lmdbFailure(error, "write the LMDB journal");
    }
    this.table.apply(changes);
    this.#counts.commits++;
    process.nextTick(() => this.signal.notify());
  }

  /** Each change has a promise of its own: the transaction's is the one that is waited for. */
  #put(puts: readonly (readonly [Key, Buffer])[], changes: ValueChanges): void {
    for (const [key, bytes] of puts) this.#store.put(key, bytes).catch(ignore);
    for (const [name, value] of changes) {
      if (value === null) this.#store.remove([VALUE, name]).catch(ignore);
      else this.#store.put([VALUE, name], Buffer.from(value)).catch(ignore);
    }
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

function missing(seq: number): Error {
  return damaged(seq, "a batch is missing");
}

function damaged(seq: number, reason: string): Error {
  return corruptError({ file: "data.mdb", offset: 0, seqFirst: seq, seqLast: null }, reason);
}
