import type { Batch } from "../../batch/batch.ts";
import type { SeqRange } from "../../delivery/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, JournalReader } from "../../journal/journal.ts";
import { Retained } from "./retained.ts";

/** What a {@link Backlog} is made of. */
export interface BacklogOptions {
  readonly journal: Journal;
  /** Batches that are kept in memory (bytes). */
  readonly bytesMax: number;
  /** The last seq that the dispatcher was given. */
  readonly fed: () => number;
  /** The lowest seq that was given to it and never handed out. */
  readonly freshFirst: () => number;
  /** Gives the dispatcher a batch, which is in memory from now on. */
  readonly feed: (
    batch: SeqRange & {
      /** Its length (bytes). */
      readonly bytes: number;
    },
  ) => void;
  readonly onFailed: (error: BrokerlessError) => void;
}

/**
 * The stored messages on their way to the dispatcher: straight from the journal's hands while receivers
 * keep up, else read back from it as room appears. So memory is bounded however much the journal holds.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #retained = new Retained();
  /** A batch that was read back to be sent again; it is not worth keeping for longer. */
  #lent: Batch | null = null;
  #isReading = false;
  #wake: (() => void) | null = null;
  #reader: JournalReader | null = null;
  #closed = false;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Batches in memory (bytes). */
  get bytes(): number {
    return this.#retained.bytes;
  }

  /** A batch was stored. */
  stored(batch: Batch): void {
    const next = this.#options.fed() + 1;
    if (!this.#isReading && batch.seqFirst === next && this.#hasRoom()) this.#keep(batch);
    else this.fill();
  }

  /** A batch was stored that nobody is to get: it need not be kept for anybody. */
  passed({ first, last }: SeqRange, bytes: number): void {
    const isNext = first === this.#options.fed() + 1;
    if (isNext && !this.#isReading) this.#options.feed({ first, last, bytes });
    else this.fill();
  }

  /** Reads on where the dispatcher has got less than there is, and there is room. */
  fill(): void {
    this.#wake?.();
    const { journal, fed } = this.#options;
    if (this.#isReading || this.#closed || fed() >= journal.seqStored || !this.#hasRoom()) return;
    void this.#read();
  }

  /** Everything up to `floor` is settled. */
  settled(floor: number): void {
    this.#retained.dropBefore(floor + 1);
    this.fill();
  }

  /** The batch that holds `seq`, if it is in memory. */
  find(seq: number): Batch | null {
    const lent = this.#lent;
    if (lent !== null && lent.seqFirst <= seq && seq <= lent.seqLast) return lent;
    return this.#retained.find(seq);
  }

  /** Keeps a batch that was read back until the next one is. */
  lend(batch: Batch): void {
    this.#lent = batch;
  }

  /** Reads back a batch. @throws BrokerlessError as the journal's reader does */
  async load(seq: number): Promise<Batch> {
    const found = this.find(seq);
    if (found !== null) return found;
    const reader = this.#options.journal.read({ from: seq });
    try {
      const { value } = await reader.batches().next();
      if (value !== undefined) return value;
      throw new BrokerlessError("BROKERLESS_GAP", `message ${seq} is not in the journal`);
    } finally {
      await reader.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
    void this.#reader?.close();
  }

  #hasRoom(): boolean {
    const { bytesMax, freshFirst } = this.#options;
    if (this.#retained.bytes < bytesMax) return true;
    this.#retained.evict(freshFirst(), bytesMax / 2);
    return this.#retained.bytes < bytesMax;
  }

  #keep(batch: Batch): void {
    this.#retained.push(batch);
    const { seqFirst: first, seqLast: last, bytes } = batch;
    this.#options.feed({ first, last, bytes: bytes.length });
  }

  async #read(): Promise<void> {
    const { journal, fed, onFailed } = this.#options;
    this.#isReading = true;
    try {
      while (!this.#closed && fed() < journal.seqStored) {
        this.#reader = journal.read({ from: Math.max(fed() + 1, journal.seqFirst) });
        for await (const batch of this.#reader.batches()) {
          await this.#room();
          if (this.#closed) return;
          this.#keep(batch);
        }
      }
    } catch (error) {
      if (!this.#closed) onFailed(error as BrokerlessError);
    } finally {
      this.#isReading = false;
      this.#reader = null;
    }
  }

  async #room(): Promise<void> {
    while (!this.#closed && !this.#hasRoom()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }
}
