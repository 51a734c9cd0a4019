import { randomBytes } from "node:crypto";
import type { Key, RootDatabase } from "lmdb";
import { Batch, checkBatch } from "../batch/batch.ts";
import type { BatchDraft } from "../batch/batch-encoder.ts";
import { streamBytes } from "../batch/layout.ts";
import { BrokerlessError, type Damage } from "../errors.ts";
import { expected, integer, resolveOptions } from "../options.ts";
import { appendDraftTo, appendTo, toChanges } from "./append-arguments.ts";
import type { Appended } from "./appended.ts";
import { corruptError, diskFailure } from "./failure.ts";
import type { Group } from "./group-queue.ts";
import { holdChange, lowestHold, readHolds, readSeqValue, seqValue } from "./holds.ts";
import { Intake } from "./intake.ts";
import type {
  AppendOptions,
  Journal,
  JournalReader,
  JournalStats,
  ReadOptions,
  Values,
  VerifyReport,
} from "./journal.ts";
import { type BatchCursor, type BatchSource, gap, SourceReader, StoredSignal } from "./reader.ts";
import { VALUE_SEQ_FIRST, type ValueChanges, ValueTable } from "./values.ts";

/** How an {@link LmdbJournal} keeps its stream. */
export interface LmdbJournalOptions {
  /** Entries go to the next batch when one has this much. Default 65 536: one frame on the wire. */
  readonly batchBytesMax?: number | undefined;
  /** What may wait to be stored; beyond it appends are refused. Default 268 435 456. */
  readonly pendingBytesMax?: number | undefined;
  /** Most bytes that the database may grow to. Default 2^40: address space, not disk. */
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
type Store = RootDatabase<Buffer, Key>;

/**
 * A stream in an LMDB database: for programs that have one already and want their own rows in the
 * same transactions, or reads by position without segments. Each commit is one transaction, synced.
 *
 * Needs the npm package `lmdb`, which brokerless does not install.
 */
export class LmdbJournal implements Journal {
  readonly stream: string;
  readonly epoch = 1;
  readonly #store: Store;
  readonly #table: ValueTable;
  readonly #intake: Intake;
  readonly #signal = new StoredSignal();
  readonly #streamBytes: Uint8Array;
  readonly #counts = { bytesWritten: 0, commits: 0 };
  #timeMs = 0;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  /**
   * Opens or makes the database in a directory.
   *
   * @throws TypeError for a wrong option
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where `lmdb` is missing or refuses
   */
  static async open(directory: string, options?: LmdbJournalOptions): Promise<LmdbJournal> {
    const resolved = resolveOptions("LmdbJournal", options, SPEC);
    try {
      const lmdb = await import("lmdb");
      const store: Store = lmdb.open<Buffer, Key>({
        path: directory,
        encoding: "binary",
        mapSize: resolved.mapBytesMax,
        // Without it a transaction resolves before it is on the disk.
        overlappingSync: false,
      });
      let id = store.get(STREAM);
      if (id === undefined) {
        id = randomBytes(16);
        await store.put(STREAM, id);
      }
      return new LmdbJournal(store, id, resolved);
    } catch (error) {
      throw diskFailure(error, `open the LMDB journal in ${directory}`);
    }
  }

  private constructor(
    store: Store,
    id: Buffer,
    options: { readonly batchBytesMax: number; readonly pendingBytesMax: number },
  ) {
    this.#store = store;
    this.stream = id.toString("hex");
    this.#streamBytes = streamBytes(this.stream);
    this.#table = readTable(store);
    const last = this.#lastBatch();
    this.#timeMs = last?.timeMs ?? 0;
    const seqNext = Math.max(
      last === null ? 1 : last.seqLast + 1,
      readSeqValue(this.#table.get(VALUE_SEQ_FIRST), 1),
    );
    this.#intake = new Intake({
      aheadBytes: 2 ** 20,
      recycles: true,
      ...options,
      seqNext,
      commitBytesMax: 2 ** 22,
      store: (group) => this.#commit(group),
    });
  }

  get seqFirst(): number {
    return readSeqValue(this.#table.get(VALUE_SEQ_FIRST), 1);
  }

  get seqStored(): number {
    return this.#intake.seqStored;
  }

  get seqNext(): number {
    return this.#intake.seqNext;
  }

  get pendingBytes(): number {
    return this.#intake.pendingBytes;
  }

  get full(): boolean {
    return this.#intake.full;
  }

  append(entries: Parameters<Journal["append"]>[0], options?: AppendOptions): Appended {
    return appendTo({ intake: this.#intake, table: this.#table }, entries, options);
  }

  appendDraft(draft: BatchDraft, options?: AppendOptions): Appended {
    return appendDraftTo({ intake: this.#intake, table: this.#table }, draft, options);
  }

  set(values: Values): Appended {
    return this.#intake.appendAll([], toChanges(this.#table, values));
  }

  get(name: string): Uint8Array | null {
    return this.#table.get(name);
  }

  room(): Promise<void> {
    return this.#intake.room();
  }

  sync(): Promise<void> {
    return this.#intake.settled();
  }

  read(options?: ReadOptions): JournalReader {
    this.#assertOpen();
    return new SourceReader(this.#source(), options);
  }

  async hold(name: string, seq: number): Promise<void> {
    await this.#intake.appendAll([], holdChange(name, seq));
  }

  async release(name: string): Promise<void> {
    await this.#intake.appendAll([], holdChange(name, null));
  }

  holds(): ReadonlyMap<string, number> {
    return readHolds(this.#table);
  }

  async truncateBefore(seq: number): Promise<number> {
    if (!Number.isSafeInteger(seq) || seq < 1) throw expected("truncateBefore", "a seq", seq);
    const wanted = Math.min(seq, lowestHold(this.#table), this.seqStored + 1);
    if (wanted <= this.seqFirst) return this.seqFirst;
    await this.#intake.appendAll([], new Map([[VALUE_SEQ_FIRST, seqValue(wanted)]]));
    const removals: Promise<boolean>[] = [];
    for (const batch of this.#range(1)) {
      if (batch.seqLast >= wanted) break;
      removals.push(this.#store.remove([BATCH, batch.seqFirst]));
    }
    await Promise.all(removals);
    return this.seqFirst;
  }

  async verify(): Promise<VerifyReport> {
    this.#assertOpen();
    const damage: (Damage & { readonly reason: string })[] = [];
    const sum = { batches: 0, entries: 0, bytes: 0 };
    for (const { key, value } of this.#store.getRange({ start: [BATCH, 0], end: [BATCH, END] })) {
      const seqFirst = (key as [string, number])[1];
      const reason = checkBatch(value);
      sum.batches++;
      sum.bytes += value.length;
      if (reason === null) sum.entries += new Batch(value).count;
      else damage.push({ file: "data.mdb", offset: 0, seqFirst, seqLast: null, reason });
    }
    return { ok: damage.length === 0, ...sum, damage };
  }

  stats(): JournalStats {
    let bytesKept = 0;
    for (const batch of this.#range(1)) bytesKept += batch.bytes.length;
    const { bytesWritten, commits } = this.#counts;
    const entriesKept = this.seqStored + 1 - this.seqFirst;
    const { pendingBytes } = this;
    return { entriesKept, bytesKept, pendingBytes, bytesWritten, commits, syncs: commits };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#intake.refuse(closedError());
    try {
      await this.#intake.settled();
    } finally {
      this.#isClosed = true;
      this.#signal.notify();
      await this.#store.close();
    }
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
    try {
      await this.#store.batch(() => this.#put(puts, changes));
    } catch (error) {
      throw diskFailure(error, "write the LMDB journal");
    }
    this.#table.apply(changes);
    this.#counts.commits++;
    process.nextTick(() => this.#signal.notify());
  }

  #put(puts: readonly (readonly [Key, Buffer])[], changes: ValueChanges): void {
    for (const [key, bytes] of puts) this.#store.put(key, bytes);
    for (const [name, value] of changes) {
      if (value === null) this.#store.remove([VALUE, name]);
      else this.#store.put([VALUE, name], Buffer.from(value));
    }
  }

  #source(): BatchSource {
    const journal = this;
    return {
      get seqFirst() {
        return journal.seqFirst;
      },
      get seqStored() {
        return journal.seqStored;
      },
      async seqAt(timeMs) {
        for (const batch of journal.#range(1)) if (batch.timeMs >= timeMs) return batch.seqFirst;
        return journal.seqStored + 1;
      },
      open: async (seq) => journal.#cursor(seq),
      async stored(seq) {
        while (journal.#closing === null && journal.seqStored <= seq) await journal.#signal.wait();
        return journal.seqStored > seq ? "stored" : "closed";
      },
    };
  }

  #cursor(from: number): BatchCursor {
    let seq = from;
    return {
      next: async () => {
        if (seq > this.seqStored || this.#isClosed) return null;
        if (seq < this.seqFirst) throw gap(seq, this.seqFirst);
        const batch = this.#batchWith(seq);
        const reason = batch === null ? "a batch is missing" : checkBatch(batch.bytes);
        if (batch === null || reason !== null) {
          const damage = { file: "data.mdb", offset: 0, seqFirst: seq, seqLast: null };
          throw corruptError(damage, reason ?? "");
        }
        seq = batch.seqLast + 1;
        return batch;
      },
      close: async () => {},
    };
  }

  #batchWith(seq: number): Batch | null {
    const range = { start: [BATCH, seq], end: [BATCH, 0], reverse: true, limit: 1 };
    for (const { value } of this.#store.getRange(range)) {
      const batch = new Batch(Buffer.from(value));
      return batch.seqLast >= seq ? batch : null;
    }
    return null;
  }

  #lastBatch(): Batch | null {
    const range = { start: [BATCH, END], end: [BATCH, 0], reverse: true, limit: 1 };
    for (const { value } of this.#store.getRange(range)) return new Batch(Buffer.from(value));
    return null;
  }

  *#range(from: number): Generator<Batch> {
    for (const { value } of this.#store.getRange({ start: [BATCH, from], end: [BATCH, END] })) {
      yield new Batch(value);
    }
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError();
  }
}

const END = Number.MAX_SAFE_INTEGER;

function readTable(store: Store): ValueTable {
  const changes = new Map<string, Uint8Array>();
  for (const { key, value } of store.getRange({ start: [VALUE], end: [VALUE, "\uffff"] })) {
    changes.set((key as [string, string])[1], Buffer.from(value));
  }
  const table = new ValueTable();
  table.apply(changes);
  return table;
}

function closedError(): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", "the journal is closed");
}
