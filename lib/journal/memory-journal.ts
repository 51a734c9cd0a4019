import { randomBytes } from "node:crypto";
import { Batch, checkBatch } from "../batch/batch.ts";
import type { BatchDraft } from "../batch/batch-encoder.ts";
import { streamBytes } from "../batch/layout.ts";
import { BrokerlessError } from "../errors.ts";
import { expected, integer, resolveOptions } from "../options.ts";
import { appendDraftTo, appendTo, toChanges } from "./append-arguments.ts";
import type { Appended } from "./appended.ts";
import type { Group } from "./group-queue.ts";
import { holdChange, lowestHold, readHolds } from "./holds.ts";
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
import { type BatchCursor, type BatchSource, SourceReader, StoredSignal } from "./reader.ts";
import { ValueTable } from "./values.ts";

/** Bounds of a {@link MemoryJournal}. */
export interface MemoryJournalOptions {
  /** Entries go to the next batch when one has this much. Default 65 536: one frame on the wire. */
  readonly batchBytesMax?: number | undefined;
  /** What may wait to be stored. Default 268 435 456. */
  readonly pendingBytesMax?: number | undefined;
}

const SPEC = {
  rules: {
    batchBytesMax: integer(1024, 2 ** 28),
    pendingBytesMax: integer(65_536, 2 ** 30),
  },
  defaults: { batchBytesMax: 65_536, pendingBytesMax: 2 ** 28 },
};

/**
 * A journal that lives as long as the process: for streams that need replay and not durability, and
 * for tests. What is stored is never synced anywhere; nothing frees it but `truncateBefore`.
 */
export class MemoryJournal implements Journal {
  readonly stream: string = randomBytes(16).toString("hex");
  readonly epoch = 1;
  readonly #table = new ValueTable();
  readonly #intake: Intake;
  readonly #signal = new StoredSignal();
  readonly #streamBytes = streamBytes(this.stream);
  #batches: Batch[] = [];
  #seqFirst = 1;
  #bytesKept = 0;
  #bytesWritten = 0;
  #commits = 0;
  #timeMs = 0;
  #closed: Promise<void> | null = null;

  /** @throws TypeError for an unknown option or a value out of range */
  constructor(options?: MemoryJournalOptions) {
    const resolved = resolveOptions("MemoryJournal", options, SPEC);
    this.#intake = new Intake({
      aheadBytes: 2 ** 20,
      recycles: false,
      ...resolved,
      seqNext: 1,
      commitBytesMax: 2 ** 22,
      store: (group) => this.#store(group),
    });
  }

  get seqFirst(): number {
    return this.#seqFirst;
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
    this.#assertOpen();
    const wanted = Math.min(seq, lowestHold(this.#table), this.seqStored + 1);
    let count = 0;
    for (const batch of this.#batches) {
      if (batch.seqLast >= wanted) break;
      this.#bytesKept -= batch.bytes.length;
      count++;
    }
    this.#batches = this.#batches.slice(count);
    this.#seqFirst = Math.max(this.#seqFirst, wanted);
    return this.#seqFirst;
  }

  async verify(): Promise<VerifyReport> {
    this.#assertOpen();
    const damage: VerifyReport["damage"][number][] = [];
    let entries = 0;
    for (const { bytes, seqFirst, seqLast, count } of this.#batches) {
      const reason = checkBatch(bytes);
      if (reason !== null) damage.push({ file: "", offset: 0, seqFirst, seqLast, reason });
      entries += count;
    }
    const batches = this.#batches.length;
    return { ok: damage.length === 0, batches, entries, bytes: this.#bytesKept, damage };
  }

  stats(): JournalStats {
    return {
      entriesKept: this.seqStored + 1 - this.seqFirst,
      bytesKept: this.#bytesKept,
      pendingBytes: this.pendingBytes,
      bytesWritten: this.#bytesWritten,
      commits: this.#commits,
      syncs: 0,
    };
  }

  close(): Promise<void> {
    if (this.#closed === null) {
      this.#intake.refuse(closedError());
      this.#closed = this.#intake.settled().finally(() => this.#signal.notify());
    }
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #store(group: Group): Promise<void> {
    this.#timeMs = Math.max(this.#timeMs, Date.now());
    for (const { draft, seqFirst, values } of group.units) {
      if (values !== null) this.#table.apply(values);
      if (draft === null) continue;
      const { epoch } = this;
      const stream = this.#streamBytes;
      draft.seal({ stream, epoch, seqFirst, durableBefore: 0, timeMs: this.#timeMs });
      this.#batches.push(new Batch(draft.batch));
      this.#bytesKept += draft.batch.length;
      this.#bytesWritten += draft.batch.length;
    }
    this.#commits++;
    // Readers look at seqStored, which moves when this promise has resolved.
    process.nextTick(() => this.#signal.notify());
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
      seqAt: async (timeMs) =>
        journal.#batches.find((batch) => batch.timeMs >= timeMs)?.seqFirst ?? journal.seqStored + 1,
      open: async (seq) => journal.#cursor(seq),
      async stored(seq) {
        while (journal.#closed === null && journal.seqStored <= seq) await journal.#signal.wait();
        return journal.seqStored > seq ? "stored" : "closed";
      },
    };
  }

  #cursor(from: number): BatchCursor {
    let seq = from;
    let index = -1;
    return {
      next: async () => {
        if (seq > this.seqStored) return null;
        if (seq < this.#seqFirst) {
          const message = `entry ${seq} was freed while it was waited for`;
          throw new BrokerlessError("BROKERLESS_GAP", message);
        }
        if (this.#batches[index]?.seqFirst !== seq) index = findBatch(this.#batches, seq);
        const batch = this.#batches[index++]!;
        seq = batch.seqLast + 1;
        return batch;
      },
      close: async () => {},
    };
  }

  #assertOpen(): void {
    if (this.#closed !== null) throw closedError();
  }
}

function closedError(): BrokerlessError {
  return new BrokerlessError("BROKERLESS_CLOSED", "the journal is closed");
}

function findBatch(batches: readonly Batch[], seq: number): number {
  let low = 0;
  let high = batches.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (batches[middle]!.seqLast < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
