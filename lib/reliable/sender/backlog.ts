import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, JournalReader, MissingEntries } from "../../journal/journal.ts";
import { SequentialReads } from "../sequential-reads.ts";
import { BatchCache } from "./batch-cache.ts";
import type { FormerCodec } from "./former-codec.ts";

/** Delay before reading again after a temporary lack, for example of file descriptors (milliseconds). */
const AGAIN_MS = 500;

/** Dependencies of {@link Backlog}. */
export interface BacklogOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Limit on batches kept in memory (bytes). */
  readonly bytesMax: number;
  /** Decides whether a batch that was read may be dispatched; if not, nothing behind it is dispatched either. */
  readonly formerCodec: Pick<FormerCodec, "takes" | "checked">;
  /** The last seq that was fed to the dispatcher. */
  readonly fed: () => number;
  /** The lowest seq that was fed and never dispatched. */
  readonly freshFirst: () => number;
  /** The lowest seq that was dispatched and not yet sent to its receiver; infinite if there is none. */
  readonly unsentFirst: () => number;
  /** Feeds a batch to the dispatcher; the batch is in memory from now on. */
  readonly feed: (
    batch: SeqRange & {
      /** Its size (bytes). */
      readonly bytes: number;
    },
  ) => void;
  readonly onFailed: (error: BrokerlessError) => void;
  /** The next messages are damaged or no longer in the journal: no receiver can get them. */
  readonly onMissing: (missing: MissingEntries) => void;
}

/**
 * Feeds stored messages to the dispatcher: directly as they are stored while receivers keep up, otherwise read back
 * from the journal as room appears. So memory is bounded, whatever the size of the journal.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #retained = new BatchCache();
  readonly #reads: SequentialReads;
  /** A batch that was read back to be sent again; kept only until the next one. */
  #lent: Batch | null = null;
  #isReading = false;
  #wake: (() => void) | null = null;
  #reader: JournalReader | null = null;
  #closed = false;
  /** Cancels the timer for reading again after a lack. */
  #cancel: (() => void) | null = null;

  constructor(options: BacklogOptions) {
    this.#options = options;
    this.#reads = new SequentialReads(options.journal, options.clock);
  }

  /** Size of the batches in memory (bytes). */
  get bytes(): number {
    return this.#retained.bytes;
  }

  /** A batch was stored. */
  stored(batch: Batch): void {
    const next = this.#options.fed() + 1;
    if (!this.#isReading && batch.seqFirst === next && this.#hasRoom()) this.#keep(batch);
    else this.fill();
  }

  /** A batch was stored that no receiver gets (copies of dead letters): it is fed, but not kept in memory. */
  passed({ first, last }: SeqRange, bytes: number): void {
    const isNext = first === this.#options.fed() + 1;
    if (isNext && !this.#isReading) this.#options.feed({ first, last, bytes });
    else this.fill();
  }

  /** Reads on if the dispatcher was fed less than is stored, and there is room. */
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

  /** The batch that contains `seq`, if it is in memory. */
  find(seq: number): Batch | null {
    const lent = this.#lent;
    if (lent !== null && lent.seqFirst <= seq && seq <= lent.seqLast) return lent;
    return this.#retained.find(seq);
  }

  /** Keeps a batch that was read back, until the next call. */
  lend(batch: Batch): void {
    this.#lent = batch;
  }

  /** Reads a batch back, if it is not in memory. @throws BrokerlessError as the journal's reader does */
  async load(seq: number): Promise<Batch> {
    const found = this.find(seq);
    if (found !== null) return found;
    return this.#reads.load(seq);
  }

  /** As `load`; but if the message is missing in the journal, returns the missing entries from `seq` on. */
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

  /** Messages still to be sent are not evicted: read back, they would always be behind the batches just fed. */
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
      // A temporary failure, such as no free file descriptor: without new messages nothing else reads again.
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

  /** Reports messages freed before they were processed: the hold was released, or it was a repair. */
  async #passFreed(): Promise<void> {
    const { journal, fed, onMissing } = this.#options;
    const [seqFirst, seqLast] = [fed() + 1, journal.seqFirst - 1];
    if (seqLast < seqFirst) return;
    // Not while the socket is being constructed.
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
