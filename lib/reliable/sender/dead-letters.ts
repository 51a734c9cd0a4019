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

/** Letters that are sent anew in one append (bytes); a longer one goes alone. */
const REQUEUE_BYTES = 2 ** 16;

/** A message that was given up: rejected, or tried too often. */
export interface DeadLetter<T> extends WhyDead {
  /** The `id` of its deliveries, by which logs of its handlers tell of it. Sent anew it is another message. */
  readonly id: string;
  /** Its number in the stream, by which `requeue` and `purge` name it. */
  readonly seq: number;
  /** The message; undefined where there is a `valueError`. */
  readonly value: T | undefined;
  /**
   * Why the message cannot be shown: `BROKERLESS_CODEC` where the codec cannot read it, `BROKERLESS_CORRUPT` or
   * `BROKERLESS_GAP` where the journal cannot. It can be purged; one that only the codec cannot read can be sent anew too.
   * Missing where there is a value.
   */
  readonly valueError?: BrokerlessError;
  /** Names to texts, as they were sent; empty where there were none, or the journal cannot read them. */
  readonly headers: MessageHeaders;
}

/** What of a letter is in the journal. */
type LetterContent<T> = Pick<DeadLetter<T>, "value" | "valueError" | "headers">;

/** Dependencies of {@link DeadLetters}. */
export interface DeadLettersOptions {
  readonly codec: Codec<unknown>;
  /** The id of a message, by its seq. */
  readonly idOf: (seq: number) => string;
  readonly dispatcher: Pick<Dispatcher, "dead">;
  readonly stateStore: Pick<SenderStateStore, "together">;
  /** The batch that holds a seq. @throws BrokerlessError as the journal's reader does */
  readonly load: (seq: number) => Promise<Batch>;
  /**
   * Appends messages as new ones, with values, all or none.
   *
   * @param from what they were
   * @throws BrokerlessError as the journal's append does
   */
  readonly append: (
    draft: BatchDraft,
    values: Values,
    from: readonly FormerMessage[],
  ) => Promise<void>;
  /** Stores values alone. @throws BrokerlessError as the journal does */
  readonly set: (values: Values) => PromiseLike<unknown>;
  /** @throws BrokerlessError `BROKERLESS_CLOSED` where the socket is closed: nothing is changed any more */
  readonly checkOpen: () => void;
  /** Letters are about to be forgotten for good. @returns what is to be stored together with that; null: nothing */
  readonly onPurge: (ranges: readonly SeqRange[]) => IdChange | null;
  /** Letters are no dead letters any more, and that is stored. */
  readonly onGone: (ranges: readonly SeqRange[]) => void;
}

/**
 * The dead letters of a reliable sender, in the journal of its messages, where they are kept until purged.
 *
 * What is chosen for a call is looked at again when its turn has come to change anything: what another call has sent anew
 * or purged meanwhile is left out, and not counted.
 *
 * @see docs/decisions/0047-dead-letters-move-once.md
 */
export class DeadLetters<T> implements AsyncIterable<DeadLetter<T>> {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** How many there are (count). */
  get count(): number {
    return this.#dead.count;
  }

  /**
   * Browses those that there are at the start, oldest message first, but for those that are gone when they are reached.
   * One that cannot be read hides none behind it.
   *
   * @throws BrokerlessError as the journal's reader does, but for `BROKERLESS_CORRUPT` and `_GAP`
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
   * Sends them anew, as new messages with a count of attempts of their own. Each is sent anew once, whoever calls how
   * often at the same time, and is then no dead letter any more: both or neither, whatever happens to the process.
   *
   * @param seqs those to send; default all
   * @returns how many were sent (count)
   * @throws TypeError when one of them is no dead letter, or they are no array; BrokerlessError as the journal's append does
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
   * Forgets them for good.
   *
   * @param seqs those to forget; default all
   * @returns how many were forgotten (count), once it is stored that they are
   * @throws TypeError when one of them is no dead letter, or they are no array; BrokerlessError as the journal's `set` does: then they are kept
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

  /** That letters are forgotten, and what their ids say from then on: both or neither. */
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

  /** @returns null where it is no dead letter any more */
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
        throw expected(`${call}: dead letter`, "the seq of one", seq);
      }
    }
    return [...new Set(seqs)].sort((a, b) => a - b).map((seq) => ({ first: seq, last: seq }));
  }

  /** Reads the first of the letters as far as they fit one append; none where none of them is one any more. */
  async #readSome(seqs: readonly number[], reader: LetterReader): Promise<ReadLetter[]> {
    for (;;) {
      const locations = seqs.flatMap((seq) => this.#dead.locationOf(seq) ?? []);
      if (locations.length === 0) return [];
      try {
        return await reader.readSome(locations, REQUEUE_BYTES);
      } catch (error) {
        // Some may have been copied elsewhere, and freed where they were, while they were looked for.
        if (locations.every(({ seq, at }) => this.#dead.locationOf(seq)?.at === at)) throw error;
      }
    }
  }

  /** Reads a letter where it is now. @returns null where it is none any more */
  async #readOne(seq: number, reader: LetterReader): Promise<ReadLetter | null> {
    const [letter] = await this.#readSome([seq], reader);
    return letter ?? null;
  }
}

/** The journal has the letter no more, or cannot read it; others it may. */
function isDamage(error: unknown): error is BrokerlessError {
  if (!(error instanceof BrokerlessError)) return false;
  return error.code === "BROKERLESS_CORRUPT" || error.code === "BROKERLESS_GAP";
}

function seqsOf(ranges: readonly SeqRange[]): number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
