import { randomBytes } from "node:crypto";
import { Batch, checkBatch } from "../batch/batch.ts";
import { streamBytes } from "../batch/layout.ts";
import { integer, resolveOptions } from "../options.ts";
import type { Group } from "./commit/group-queue.ts";
import { ValueTable } from "./format/values.ts";
import type { JournalStats, VerifyReport } from "./journal.ts";
import { LocalJournal } from "./local-journal.ts";
import { type BatchCursor, gap } from "./reader.ts";

/** Options of {@link MemoryJournal}. */
export interface MemoryJournalOptions {
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
}

const SPEC = {
  rules: {
    batchBytesMax: integer(1024, 2 ** 28),
    pendingBytesMax: integer(65_536, 2 ** 30),
  },
  defaults: { batchBytesMax: 65_536, pendingBytesMax: 2 ** 28 },
};

/**
 * A journal in memory, which ends with the process: for streams that need replay without
 * durability, and for tests. Nothing is ever synced, and only `truncateBefore` frees entries.
 *
 * @example
 * ```ts
 * const push = new Push({ journal: new MemoryJournal() });
 * ```
 */
export class MemoryJournal extends LocalJournal {
  /** The id of the stream (32 hex digits), a new one for each journal. */
  readonly stream: string = randomBytes(16).toString("hex");
  /** Always 1: the stream ends with its process. */
  readonly epoch = 1;
  readonly #streamBytes = streamBytes(this.stream);
  #batches: Batch[] = [];
  #seqFirst = 1;
  #bytesKept = 0;
  #bytesWritten = 0;
  #commits = 0;
  #timeMs = 0;

  /** @throws TypeError for an unknown option or a value out of range */
  constructor(options?: MemoryJournalOptions) {
    super(new ValueTable(), {
      ...resolveOptions("MemoryJournal", options, SPEC),
      aheadBytes: 2 ** 20,
      recycles: false,
      seqNext: 1,
      commitBytesMax: 2 ** 22,
      store: (group) => this.#store(group),
    });
  }

  /** The first seq that is kept. */
  get seqFirst(): number {
    return this.#seqFirst;
  }

  /** Counters and gauges. Cheap. */
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

  protected async freeBefore(seq: number): Promise<void> {
    let count = 0;
    for (const batch of this.#batches) {
      if (batch.seqLast >= seq) break;
      this.#bytesKept -= batch.bytes.length;
      count++;
    }
    this.#batches = this.#batches.slice(count);
    this.#seqFirst = seq;
  }

  protected async check(): Promise<VerifyReport> {
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

  protected async seqAt(timeMs: number): Promise<number> {
    const { length } = this.#batches;
    const index = firstIndex(length, (at) => this.#batches[at]!.timeMs >= timeMs);
    return index === length ? this.seqStored + 1 : this.#batches[index]!.seqFirst;
  }

  protected cursorAt(from: number): BatchCursor {
    let seq = from;
    let index = -1;
    return {
      next: async () => {
        if (seq > this.seqStored) return null;
        if (seq < this.seqFirst) throw gap(seq, this.seqFirst);
        if (this.#batches[index]?.seqFirst !== seq) {
          index = firstIndex(this.#batches.length, (at) => this.#batches[at]!.seqLast >= seq);
        }
        const batch = this.#batches[index++]!;
        seq = batch.seqLast + 1;
        // As from a disk: the reader owns the bytes, and may change them.
        return new Batch(Buffer.from(batch.bytes));
      },
      close: async () => {},
    };
  }

  protected async letGo(): Promise<void> {}

  async #store(group: Group): Promise<void> {
    this.#timeMs = Math.max(this.#timeMs, Date.now());
    for (const { draft, seqFirst, values } of group.units) {
      if (values !== null) this.table.apply(values);
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
    process.nextTick(() => this.signal.notify());
  }
}

/** @returns the first index from which on `isThere` holds; `count` where it never does */
function firstIndex(count: number, isThere: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isThere(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
