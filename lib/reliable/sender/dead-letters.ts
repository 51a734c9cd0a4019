import type { Batch } from "../../batch/batch.ts";
import type { BatchDraft } from "../../batch/batch-encoder.ts";
import { type MessageHeaders, NO_HEADERS } from "../../batch/headers.ts";
import type { Codec } from "../../codec/codec.ts";
import { notDecoded, refusePromise } from "../../codec/codec-error.ts";
import { type WhyDead, whyDead } from "../../core/events/why-dead.ts";
import { stateWithout } from "../../delivery/dispatch/dead-letter-moves.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import { countAll, type SeqRange } from "../../delivery/range/range.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Values } from "../../journal/journal.ts";
import { expected } from "../../options.ts";
import type { FormerMessage, IdChange } from "../outbound/deduplicator.ts";
import { draftOf, LetterReader, type ReadLetter } from "./saved/letter-reader.ts";
import type { SenderStateStore } from "./saved/sender-state-store.ts";

/** Limit on letters requeued in one append (bytes); a longer one is appended alone. */
const REQUEUE_BYTES = 2 ** 16;

/** A message that was rejected, or failed too often. */
export interface DeadLetter<T> extends WhyDead {
  /** The `id` of its deliveries, as in the logs of its handlers. A requeued letter is a new message with another id. */
  readonly id: string;
  /** Its number in the stream, used by `requeue` and `purge`. */
  readonly seq: number;
  /** The message; undefined if there is a `valueError`. */
  readonly value: T | undefined;
  /**
   * Why the message cannot be shown: `BROKERLESS_CODEC` if the codec cannot decode it, `BROKERLESS_CORRUPT` or
   * `BROKERLESS_GAP` if the journal cannot read it. It can be purged; one that only the codec cannot decode can be
   * requeued too. Absent if there is a value.
   */
  readonly valueError?: BrokerlessError;
  /** Names to texts, as they were sent; empty if there were none, or the journal cannot read them. */
  readonly headers: MessageHeaders;
}

/** The part of a letter that is in the journal. */
type LetterContent<T> = Pick<DeadLetter<T>, "value" | "valueError" | "headers">;

/** Dependencies of {@link DeadLetters}. */
export interface DeadLettersOptions {
  readonly codec: Codec<unknown>;
  /** The id of the message with a seq. */
  readonly idOf: (seq: number) => string;
  readonly dispatcher: Pick<Dispatcher, "dead">;
  readonly stateStore: Pick<SenderStateStore, "together">;
  /** Loads the batch that contains a seq. @throws BrokerlessError as the journal's reader does */
  readonly load: (seq: number) => Promise<Batch>;
  /**
   * Appends messages as new ones, with values, all or none.
   *
   * @param from the former messages
   * @throws BrokerlessError as the journal's append does
   */
  readonly append: (
    draft: BatchDraft,
    values: Values,
    from: readonly FormerMessage[],
  ) => Promise<void>;
  /** Stores values alone. @throws BrokerlessError as the journal does */
  readonly set: (values: Values) => PromiseLike<unknown>;
  /** @throws BrokerlessError `BROKERLESS_CLOSED` if the socket is closed: nothing is changed any more */
  readonly checkOpen: () => void;
  /** Letters are about to be purged. @returns the change to store together with the purge; null: none */
  readonly onPurge: (ranges: readonly SeqRange[]) => IdChange | null;
  /** Letters are no longer dead letters, and that is stored. */
  readonly onGone: (ranges: readonly SeqRange[]) => void;
}

/**
 * The dead letters of a reliable sender. They stay in the journal of its messages until they are purged.
 *
 * The letters chosen for a call are checked again when its turn to change anything has come: letters that another call
 * has requeued or purged meanwhile are left out, and not counted.
 *
 * @see docs/decisions/0047-dead-letters-move-once.md
 */
export class DeadLetters<T> implements AsyncIterable<DeadLetter<T>> {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Number of dead letters (count). */
  get count(): number {
    return this.#dead.count;
  }

  /**
   * Iterates over the letters that exist at the start, oldest message first, except those that are gone when they are
   * reached. An unreadable letter does not hide those behind it.
   *
   * @throws BrokerlessError as the journal's reader does, except `BROKERLESS_CORRUPT` and `_GAP`
   */
  async *[Symbol.asyncIterator](): AsyncIterator<DeadLetter<T>> {
    const { idOf, load } = this.#options;
    const reader = new LetterReader(load);
    for (const { first, last, value: death } of [...this.#dead]) {
      for (let seq = first; seq <= last; seq++) {
        const content = await this.#contentOf(seq, reader);
        if (content !== null) yield { id: idOf(seq), seq, ...content, ...whyDead(death) };
      }
    }
  }

  /**
   * Requeues letters as new messages, with new counts of attempts. Each is requeued once, however many calls run at the
   * same time, and is then no dead letter: both or neither, whatever happens to the process.
   *
   * @param seqs the letters to requeue; default all
   * @returns letters requeued (count)
   * @throws TypeError when one is no dead letter, or they are no array; BrokerlessError as the journal's append does
   */
  async requeue(seqs?: readonly number[]): Promise<number> {
    const reader = new LetterReader(this.#options.load);
    let left = seqsOf(this.#chosen("requeue", seqs));
    let count = 0;
    while (left.length > 0) {
      const some = await this.#readSome(left, reader);
      if (some.length > 0) count += await this.#sendAnew(some);
      const last = some.at(-1)?.location.seq ?? Number.POSITIVE_INFINITY;
      left = left.filter((seq) => seq > last);
    }
    return count;
  }

  /**
   * Removes letters for good.
   *
   * @param seqs the letters to purge; default all
   * @returns letters purged (count), once that is stored
   * @throws TypeError when one is no dead letter, or they are no array; BrokerlessError as the journal's `set` does:
   *   then they are kept
   */
  async purge(seqs?: readonly number[]): Promise<number> {
    const { stateStore, checkOpen, onGone } = this.#options;
    const chosen = this.#chosen("purge", seqs);
    return stateStore.together(() => {
      const there = chosen.flatMap(({ first, last }) => this.#dead.parts(first, last));
      const store = async (values: Values) => {
        await this.#storePurge(there, values);
        onGone(there);
      };
      const count = countAll(there);
      if (count > 0) checkOpen();
      return {
        change: (state) => stateWithout(state, there),
        store: count === 0 ? null : store,
        result: count,
      };
    });
  }

  /** Stores the purge, and the change of the letters' deduplication ids: both or neither. */
  async #storePurge(there: readonly SeqRange[], values: Values): Promise<void> {
    const { set, onPurge } = this.#options;
    const ids = onPurge(there);
    try {
      await set({ ...values, ...ids?.values });
    } catch (error) {
      ids?.undo();
      throw error;
    }
  }

  get #dead(): Dispatcher["dead"] {
    return this.#options.dispatcher.dead;
  }

  /** @returns null if it is no longer a dead letter */
  async #contentOf(seq: number, reader: LetterReader): Promise<LetterContent<T> | null> {
    try {
      const found = await this.#readOne(seq, reader);
      return found === null ? null : this.#decode(found);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { value: undefined, valueError: error, headers: NO_HEADERS };
    }
  }

  #decode({ entry }: ReadLetter): LetterContent<T> {
    const { codec } = this.#options;
    const headers = entry.headers ?? NO_HEADERS;
    try {
      const value = codec.decode(Buffer.from(entry.value));
      refusePromise("decode", value);
      return { value: value as T, headers };
    } catch (error) {
      return { value: undefined, valueError: notDecoded(codec, "message", error), headers };
    }
  }

  #sendAnew(letters: readonly ReadLetter[]): Promise<number> {
    const { stateStore, append, checkOpen, onGone } = this.#options;
    return stateStore.together(() => {
      const there = letters.filter(({ location }) => this.#dead.locationOf(location.seq) !== null);
      const ranges = there.map(({ location: { seq } }) => ({ first: seq, last: seq }));
      const store = async (values: Values) => {
        await append(
          draftOf(there),
          values,
          there.map(({ location: { seq }, entry: { key } }) => ({ seq, key })),
        );
        onGone(ranges);
      };
      if (there.length > 0) checkOpen();
      return {
        change: (state) => stateWithout(state, ranges),
        store: there.length === 0 ? null : store,
        result: there.length,
      };
    });
  }

  #chosen(call: string, seqs: readonly number[] | undefined): SeqRange[] {
    if (seqs === undefined) return [...this.#dead].map(({ first, last }) => ({ first, last }));
    if (!Array.isArray(seqs)) throw expected(`${call}: seqs`, "an array", seqs);
    for (const seq of seqs) {
      if (this.#dead.locationOf(seq) === null) {
        const wanted = "those of dead letters of this stream, as list() yields them";
        throw expected(`${call}: seqs`, wanted, seq);
      }
    }
    return [...new Set(seqs)].sort((a, b) => a - b).map((seq) => ({ first: seq, last: seq }));
  }

  /** Reads the first of the letters, as many as fit one append; none if none of them is a dead letter any more. */
  async #readSome(seqs: readonly number[], reader: LetterReader): Promise<ReadLetter[]> {
    for (;;) {
      const locations = seqs.flatMap((seq) => this.#dead.locationOf(seq) ?? []);
      if (locations.length === 0) return [];
      try {
        return await reader.readSome(locations, REQUEUE_BYTES);
      } catch (error) {
        // While they were read, some may have been copied elsewhere, and freed at their former place.
        if (locations.every(({ seq, at }) => this.#dead.locationOf(seq)?.at === at)) throw error;
      }
    }
  }

  /** Reads a letter at its current place. @returns null if it is no longer a dead letter */
  async #readOne(seq: number, reader: LetterReader): Promise<ReadLetter | null> {
    const [letter] = await this.#readSome([seq], reader);
    return letter ?? null;
  }
}

/** Whether the journal no longer has this letter, or cannot read it, while others may be readable. */
function isDamage(error: unknown): error is BrokerlessError {
  if (!(error instanceof BrokerlessError)) return false;
  return error.code === "BROKERLESS_CORRUPT" || error.code === "BROKERLESS_GAP";
}

function seqsOf(ranges: readonly SeqRange[]): number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
