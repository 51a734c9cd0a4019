import type { Batch, EntryCursor } from "../../../batch/batch.ts";
import { type BatchDraft, BatchEncoder } from "../../../batch/batch-encoder.ts";
import type { Entry } from "../../../batch/entry.ts";
import type { DeadLetterLocation } from "../../../delivery/dispatch/dead-letter-index.ts";

/** Limit on letters in one append (count). */
const LETTERS_MAX = 1_024;

/** A dead letter read from its journal. */
export interface ReadLetter {
  readonly location: DeadLetterLocation;
  readonly entry: Entry;
  readonly codec: number;
}

/** Reads dead letters; consecutive ones at the cost of sequential reading. */
export class LetterReader {
  readonly #load: (seq: number) => Promise<Batch>;
  #batch: Batch | null = null;
  #cursor: EntryCursor | null = null;

  /** @param load loads the batch that contains a seq; throws as the journal's reader does */
  constructor(load: (seq: number) => Promise<Batch>) {
    this.#load = load;
  }

  /** @throws BrokerlessError as `load` does */
  async read(location: DeadLetterLocation): Promise<ReadLetter> {
    const { at } = location;
    let batch = this.#batch;
    if (batch === null || at < batch.seqFirst || at > batch.seqLast) {
      batch = await this.#load(at);
      this.#batch = batch;
      this.#cursor = null;
    }
    if (this.#cursor === null || this.#cursor.seq >= at) this.#cursor = batch.cursor();
    const cursor = this.#cursor;
    while (cursor.seq < at && cursor.next());
    if (cursor.seq !== at) throw new Error(`the batch of message ${at} does not hold it`);
    const { codec } = batch;
    const epoch = location.epoch === 0 ? batch.epoch : location.epoch;
    return { location: { ...location, epoch }, entry: cursor.entry, codec };
  }

  /**
   * Reads the first of some letters, as many as fit one append; at least one.
   *
   * @param bytesMax limit on their values together; a longer letter is read alone
   */
  async readSome(
    locations: readonly DeadLetterLocation[],
    bytesMax: number,
  ): Promise<ReadLetter[]> {
    const letters: ReadLetter[] = [];
    let bytes = 0;
    for (const location of locations.slice(0, LETTERS_MAX)) {
      const letter = await this.read(location);
      bytes += letter.entry.value.length;
      const fits = bytes <= bytesMax && letter.codec === letters[0]?.codec;
      if (letters.length > 0 && !fits) break;
      letters.push(letter);
    }
    return letters;
  }
}

/** Encodes letters as a batch of new entries. @param letters not empty, all of one codec */
export function draftOf(letters: readonly ReadLetter[]): BatchDraft {
  const encoder = new BatchEncoder({ codec: letters[0]!.codec });
  for (const { entry } of letters) encoder.addEntry(entry);
  return encoder.take();
}
