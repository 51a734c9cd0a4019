import type { Batch } from "../batch/batch.ts";
import type { Clock } from "../clock.ts";
import { BrokerlessError } from "../errors.ts";
import type { Journal, JournalReader, MissingEntries } from "../journal/journal.ts";

/** Limit on open readers: one for each position at which reading continues (count). */
const READERS_MAX = 4;
/** A message at most this far ahead is reached by reading on; beyond, a new reader is faster (count of seqs). */
const SKIP_MAX = 4_096;
/** An unused reader is closed after this time, since it keeps a file open (milliseconds). */
const IDLE_MS = 1_000;

/** A reader and its position. */
interface OpenRead {
  readonly reader: JournalReader;
  readonly batches: AsyncIterator<Batch>;
  /** The seq after the last batch that was read. */
  seqNext: number;
  usedMs: number;
  /** The last entries that it skipped as missing. */
  missing: MissingEntries | null;
}

/**
 * Reads single batches from a journal. Successive calls for successive batches cost no more than sequential reading: a
 * reader is kept open between two calls, since opening one means opening a file and reading a chunk of it.
 */
export class SequentialReads {
  readonly #journal: Journal;
  readonly #clock: Clock;
  /** Readers not in use at the moment. */
  readonly #idle: OpenRead[] = [];
  #cancel: (() => void) | null = null;
  #closed = false;
  #opened = 0;

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Readers opened so far (count): a measure of cost. */
  get opened(): number {
    return this.#opened;
  }

  /**
   * @returns the batch that contains `seq`; messages before `seq` may be cut off
   * @throws BrokerlessError as the journal's reader does; `BROKERLESS_GAP` if there is nothing at or after `seq`
   */
  async load(seq: number): Promise<Batch> {
    const found = await this.find(seq);
    if ("error" in found) throw found.error;
    return found;
  }

  /** As `load`; but if the message is missing in the journal, returns the missing entries from `seq` on. */
  async find(seq: number): Promise<Batch | MissingEntries> {
    const kept = this.#takeIdle(seq);
    // A kept reader may have been opened before the newest batches were stored, or be at a place that was freed since.
    const batch = kept === null ? null : await this.#next(kept, seq).catch(() => null);
    const found = batch ?? (await this.#next(this.#open(seq), seq));
    if (found !== null) return found;
    throw new BrokerlessError("BROKERLESS_GAP", `message ${seq} is not in the journal`);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    for (const { reader } of this.#idle.splice(0)) void reader.close();
  }

  /** The idle reader that reaches `seq` soonest. */
  #takeIdle(seq: number): OpenRead | null {
    let best = -1;
    for (const [index, { seqNext }] of this.#idle.entries()) {
      if (seqNext > seq || seq - seqNext > SKIP_MAX) continue;
      if (best < 0 || seqNext > this.#idle[best]!.seqNext) best = index;
    }
    return best < 0 ? null : this.#idle.splice(best, 1)[0]!;
  }

  #open(seq: number): OpenRead {
    this.#opened += 1;
    const read: OpenRead = {
      seqNext: seq,
      usedMs: 0,
      missing: null,
      ...this.#reader(seq, (missing) => {
        read.missing = missing;
      }),
    };
    return read;
  }

  #reader(
    seq: number,
    onMissing: (missing: MissingEntries) => void,
  ): Pick<OpenRead, "reader" | "batches"> {
    const reader = this.#journal.read({ from: seq, onMissing });
    return { reader, batches: reader.batches() };
  }

  /** @returns null at the end of the reader */
  async #next(read: OpenRead, seq: number): Promise<Batch | MissingEntries | null> {
    try {
      for (;;) {
        const { value } = await read.batches.next();
        if (value === undefined) break;
        read.seqNext = value.seqLast + 1;
        if (value.seqLast < seq) continue;
        if (value.seqFirst > seq) {
          await read.reader.close();
          return missingFrom(seq, value.seqFirst - 1, read.missing);
        }
        this.#keep(read);
        return value;
      }
    } catch (error) {
      await read.reader.close();
      throw error;
    }
    await read.reader.close();
    const { missing } = read;
    return missing === null || missing.seqLast < seq
      ? null
      : missingFrom(seq, missing.seqLast, missing);
  }

  #keep(read: OpenRead): void {
    if (this.#closed) {
      void read.reader.close();
      return;
    }
    read.usedMs = this.#clock.nowMs();
    this.#idle.push(read);
    if (this.#idle.length > READERS_MAX) void this.#idle.shift()!.reader.close();
    this.#cancel ??= this.#clock.after(IDLE_MS, this.#sweep);
  }

  readonly #sweep = (): void => {
    this.#cancel = null;
    const sinceMs = this.#clock.nowMs() - IDLE_MS;
    for (const read of this.#idle.splice(0)) {
      if (read.usedMs > sinceMs) this.#idle.push(read);
      else void read.reader.close();
    }
    if (this.#idle.length > 0) this.#cancel = this.#clock.after(IDLE_MS, this.#sweep);
  };
}

function missingFrom(
  seqFirst: number,
  seqLast: number,
  found: MissingEntries | null,
): MissingEntries {
  const message = `messages ${seqFirst} to ${seqLast} are not in the journal`;
  const error = found?.error ?? new BrokerlessError("BROKERLESS_GAP", message);
  return { seqFirst, seqLast, error };
}
