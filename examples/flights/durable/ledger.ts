import { FileJournal } from "../../../lib/journal/index.ts";
import type { Job, Summary } from "../job.ts";
import type { ChunkResult } from "./chunks.ts";

/**
 * What the sink has counted, in a journal of its own.
 *
 * A result is one entry, with the number of its chunk: the effect and the key that tells whether it has
 * happened are stored together or not at all, so a result that comes again has no second effect. Not even
 * after a restart, which reads all entries again.
 */
export class Ledger<Item, Part> {
  readonly summary: Summary<Item, Part>;
  readonly #journal: FileJournal;
  readonly #counted = new Set<number>();
  #count = 0;
  #repeated = 0;

  private constructor(journal: FileJournal, job: Job<Item, Part>) {
    this.#journal = journal;
    this.summary = job.summary();
  }

  /** @throws BrokerlessError as `FileJournal.open` */
  static async open<Item, Part>(
    directory: string,
    job: Job<Item, Part>,
  ): Promise<Ledger<Item, Part>> {
    const journal = await FileJournal.open(directory);
    const ledger = new Ledger(journal, job);
    for await (const { value } of journal.read()) {
      ledger.#take(JSON.parse(value.toString()) as ChunkResult<Part>);
    }
    return ledger;
  }

  /** Chunks that were counted (count). */
  get chunks(): number {
    return this.#counted.size;
  }

  /** Records in them (count). */
  get count(): number {
    return this.#count;
  }

  /** Results that came a second time, and were not counted (count). */
  get repeated(): number {
    return this.#repeated;
  }

  /** Counts what was not counted before. @returns resolves when that is on disk */
  async add(results: readonly ChunkResult<Part>[]): Promise<void> {
    const fresh = results.filter((result) => this.#take(result));
    if (fresh.length === 0) return;
    await this.#journal.append(fresh.map((result) => Buffer.from(JSON.stringify(result))));
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  #take({ chunk, count, part }: ChunkResult<Part>): boolean {
    if (this.#counted.has(chunk)) {
      this.#repeated++;
      return false;
    }
    this.#counted.add(chunk);
    this.#count += count;
    this.summary.merge(part);
    return true;
  }
}
