import type { Batch } from "../../batch/batch.ts";
import type { BatchDraft } from "../../batch/batch-encoder.ts";
import type { Entry } from "../../batch/entry.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Dispatcher } from "../../delivery/dispatcher.ts";
import { countOf, type SeqRange } from "../../delivery/range.ts";
import { expected } from "../../options.ts";
import { draftOf, entryOf } from "./dead-mover.ts";

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
  readonly requeue: (letter: SeqRange, draft: BatchDraft) => Promise<void>;
  readonly purge: (ranges: readonly SeqRange[]) => Promise<void>;
}

/** The dead letters of a reliable sender, in the journal of its messages, where they are kept until purged. */
export class DeadLetters<T> implements AsyncIterable<DeadLetter<T>> {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** How many there are (count). */
  get count(): number {
    return this.#options.dispatcher().dead.count;
  }

  /** Browses them, oldest message first. */
  async *[Symbol.asyncIterator](): AsyncIterator<DeadLetter<T>> {
    for (const { first, last, value: death } of [...this.#options.dispatcher().dead]) {
      const { attempts, reason, timeMs } = death;
      for (let seq = first; seq <= last; seq++) {
        const found = await this.#find(seq);
        if (found === null) continue;
        const value = this.#options.codec.decode(Buffer.from(found.entry.value)) as T;
        yield { seq, value, attempts, reason, timeMs };
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
      for (let seq = first; seq <= last; seq++) {
        const found = await this.#find(seq);
        if (found === null) continue;
        await this.#options.requeue({ first: seq, last: seq }, draftOf(found.entry, found.codec));
        count += 1;
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

  /** @returns null where it was purged meanwhile */
  async #find(seq: number): Promise<{ readonly entry: Entry; readonly codec: number } | null> {
    const { dispatcher, find } = this.#options;
    for (;;) {
      const grave = dispatcher().dead.graveOf(seq);
      if (grave === null) return null;
      try {
        const batch = await find(grave.at);
        return { entry: entryOf(batch, grave.at), codec: batch.codec };
      } catch (error) {
        // It may have been copied elsewhere, and freed where it was, while it was looked for.
        if (dispatcher().dead.graveOf(seq)?.at === grave.at) throw error;
      }
    }
  }
}
