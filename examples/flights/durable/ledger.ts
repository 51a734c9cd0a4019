import { FileJournal } from "../../../lib/journal/index.ts";
import type { Job, Summary } from "../job.ts";
import type { ChunkResult } from "./chunks.ts";

/**
 * The results counted by the sink, in a journal of their own.
 *
 * A result is one entry, with the number of its chunk. So the effect and its idempotency key are stored together or not
 * at all, and a repeated result has no second effect, even after a restart, which reads all entries again.
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

  /** Records in the counted chunks (count). */
  get count(): number {
    return this.#count;
  }

  /** Repeated results, which were not counted (count). */
  get repeated(): number {
    return this.#repeated;
  }

  /** Counts results that were not counted before. @returns resolves when they are on disk */
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
