import type { Batch } from "../../batch/batch.ts";
import type { Entry } from "../../batch/entry.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Dispatcher } from "../../delivery/dispatcher.ts";
import { countAll, countOf, type SeqRange } from "../../delivery/range.ts";
import { expected } from "../../options.ts";

/** A message that was given up: rejected, or tried too often. */
export interface DeadLetter<T> {
  readonly seq: number;
  readonly value: T;
  /** How often it was handed out (count). */
  readonly attempts: number;
  readonly reason: string;
  /** When it was given up (ms since 1970). */
  readonly timeMs: number;
}

/** What {@link DeadLetters} are made of. */
export interface DeadLettersOptions {
  readonly codec: Codec<unknown>;
  readonly dispatcher: () => Dispatcher;
  readonly find: (seq: number) => Promise<Batch>;
  /** Sends the message anew and forgets the dead letter, both or neither. */
  readonly requeue: (entry: Entry) => Promise<void>;
  readonly purge: (ranges: readonly SeqRange[]) => Promise<void>;
}

/** The dead letters of a reliable sender, in the journal of its messages, where they stay until purged. */
export class DeadLetters<T> implements AsyncIterable<DeadLetter<T>> {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** How many there are (count). */
  get count(): number {
    return countAll([...this.#options.dispatcher().dead]);
  }

  /** Browses them, oldest message first. */
  async *[Symbol.asyncIterator](): AsyncIterator<DeadLetter<T>> {
    for (const { first, last, value: death } of [...this.#options.dispatcher().dead]) {
      for (let seq = first; seq <= last; seq++) {
        const { value } = await this.#entry(seq);
        yield { seq, value: this.#options.codec.decode(Buffer.from(value)) as T, ...death };
      }
    }
  }

  /**
   * Sends them anew, as new messages with a count of attempts of their own.
   *
   * @param seqs those to send; default all
   * @returns how many were sent (count)
   * @throws TypeError when one of them is no dead letter; BrokerlessError as the journal's append does
   */
  async requeue(seqs?: readonly number[]): Promise<number> {
    const ranges = this.#chosen(seqs);
    let count = 0;
    for (const { first, last } of ranges) {
      for (let seq = first; seq <= last; seq++, count++) {
        await this.#options.requeue(await this.#entry(seq));
      }
    }
    return count;
  }

  /**
   * Forgets them for good.
   *
   * @param seqs those to forget; default all
   * @returns how many were forgotten (count)
   * @throws TypeError when one of them is no dead letter
   */
  async purge(seqs?: readonly number[]): Promise<number> {
    const ranges = this.#chosen(seqs);
    await this.#options.purge(ranges);
    return ranges.reduce((sum, range) => sum + countOf(range), 0);
  }

  #chosen(seqs: readonly number[] | undefined): SeqRange[] {
    const dead = [...this.#options.dispatcher().dead];
    if (seqs === undefined) return dead.map(({ first, last }) => ({ first, last }));
    for (const seq of seqs) {
      if (!dead.some(({ first, last }) => first <= seq && seq <= last)) {
        throw expected("dead letter", "the seq of one", seq);
      }
    }
    return [...new Set(seqs)].sort((a, b) => a - b).map((seq) => ({ first: seq, last: seq }));
  }

  async #entry(seq: number): Promise<Entry> {
    for (const entry of await this.#options.find(seq)) {
      if (entry.seq === seq) return entry;
    }
    throw new Error(`the batch of message ${seq} does not hold it`);
  }
}
