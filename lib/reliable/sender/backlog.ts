import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, JournalReader, MissingEntries } from "../../journal/journal.ts";
import { SequentialReads } from "../sequential-reads.ts";
import { BatchCache } from "./batch-cache.ts";
import type { FormerCodec } from "./former-codec.ts";

/** After a lack, such as of file descriptors, it is read again so much later (milliseconds). */
const AGAIN_MS = 500;

/** Dependencies of {@link Backlog}. */
export interface BacklogOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Batches that are kept in memory (bytes). */
  readonly bytesMax: number;
  /** What is read is handed out only where it says so; else nothing behind it is. */
  readonly formerCodec: Pick<FormerCodec, "takes" | "checked">;
  /** The last seq that the dispatcher was given. */
  readonly fed: () => number;
  /** The lowest seq that was given to it and never handed out. */
  readonly freshFirst: () => number;
  /** The lowest seq that was handed out and has not left for its receiver yet; infinite where there is none. */
  readonly unsentFirst: () => number;
  /** Gives the dispatcher a batch, which is in memory from now on. */
  readonly feed: (
    batch: SeqRange & {
      /** Its length (bytes). */
      readonly bytes: number;
    },
  ) => void;
  readonly onFailed: (error: BrokerlessError) => void;
  /** What comes next is damaged, or not kept any more: nobody can get it. */
  readonly onMissing: (missing: MissingEntries) => void;
}

/**
 * The stored messages on their way to the dispatcher: straight from the journal's hands while receivers
 * keep up, else read back from it as room appears. So memory is bounded however much the journal holds.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #retained = new BatchCache();
  readonly #reads: SequentialReads;
  /** A batch that was read back to be sent again; it is not worth keeping for longer. */
  #lent: Batch | null = null;
  #isReading = false;
  #wake: (() => void) | null = null;
  #reader: JournalReader | null = null;
  #closed = false;
  /** Takes back that it is read again after a lack. */
  #cancel: (() => void) | null = null;

  constructor(options: BacklogOptions) {
    this.#options = options;
    this.#reads = new SequentialReads(options.journal, options.clock);
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
    return this.#reads.load(seq);
  }

  /** As `load`; where the message is missing in the journal, what is missing from it on. */
  async look(seq: number): Promise<Batch | MissingEntries> {
    return this.find(seq) ?? (await this.#reads.find(seq));
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#wake?.();
    void this.#reader?.close();
    this.#reads.close();
  }

  /** What is on its way to a receiver stays: read back, it would be behind what is fed meanwhile for ever. */
  #hasRoom(): boolean {
    const { bytesMax, freshFirst, unsentFirst } = this.#options;
    if (this.#retained.bytes < bytesMax) return true;
    this.#retained.evict(Math.min(freshFirst(), unsentFirst()), bytesMax / 2);
    return this.#retained.bytes < bytesMax;
  }

  #keep(batch: Batch): void {
    this.#retained.push(batch);
    const { seqFirst: first, seqLast: last, bytes } = batch;
    this.#options.feed({ first, last, bytes: bytes.length });
  }

  async #read(): Promise<void> {
    const { journal, fed, formerCodec, onFailed, onMissing } = this.#options;
    this.#isReading = true;
    try {
      while (!this.#closed && fed() < journal.seqStored) {
        await this.#passFreed();
        this.#reader = journal.read({ from: Math.max(fed() + 1, journal.seqFirst), onMissing });
        for await (const batch of this.#reader.batches()) {
          this.#closed ||= !formerCodec.takes(batch);
          if (this.#closed) return;
          await this.#room();
          if (this.#closed) return;
          this.#keep(batch);
        }
      }
    } catch (error) {
      if (this.#closed) return;
      onFailed(error as BrokerlessError);
      // No file could be opened just now, say: without new messages nobody else would ask again.
      if ((error as BrokerlessError).retryable) this.#again();
    } finally {
      this.#isReading = false;
      this.#reader = null;
      if (!this.#closed) formerCodec.checked();
    }
  }

  #again(): void {
    this.#cancel ??= this.#options.clock.after(AGAIN_MS, () => {
      this.#cancel = null;
      this.fill();
    });
  }

  /** What was freed and not processed: by whoever released the sender's hold, or in a repair. */
  async #passFreed(): Promise<void> {
    const { journal, fed, onMissing } = this.#options;
    const [seqFirst, seqLast] = [fed() + 1, journal.seqFirst - 1];
    if (seqLast < seqFirst) return;
    // Not while the socket is being made.
    await null;
    const message = `messages ${seqFirst} to ${seqLast} were freed before they were processed`;
    if (!this.#closed) {
      onMissing({ seqFirst, seqLast, error: new BrokerlessError("BROKERLESS_GAP", message) });
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
