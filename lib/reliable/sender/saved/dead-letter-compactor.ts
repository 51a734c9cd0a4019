import type { Batch } from "../../../batch/batch.ts";
import type { DeadLetterMove } from "../../../delivery/dispatch/dead-letter-index.ts";
import { copiesOf } from "../../../delivery/dispatch/dead-letter-moves.ts";
import type { Dispatcher } from "../../../delivery/dispatch/dispatcher.ts";
import type { DispatcherEvent } from "../../../delivery/dispatch/dispatcher-events.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { Journal, Values } from "../../../journal/journal.ts";
import { draftOf, LetterReader, type ReadLetter } from "./letter-reader.ts";

/** Dependencies of {@link DeadLetterCompactor}. */
export interface DeadLetterCompactorOptions {
  readonly journal: Journal;
  readonly dispatcher: Pick<Dispatcher, "dead" | "floor">;
  readonly step: (event: DispatcherEvent) => void;
  /** Loads the batch that contains a seq. @throws BrokerlessError as the journal's reader does */
  readonly load: (seq: number) => Promise<Batch>;
  /** Appends the open batch to the journal, so that the journal's next seq is free for the copies. */
  readonly flush: () => void;
  /** Copies are stored as a batch of this size (bytes), which no receiver gets. */
  readonly onStored: (range: SeqRange, bytes: number) => void;
  readonly freeing: Freeing;
}

/** When freeing settled messages is worth its cost. */
export interface Freeing {
  /** Settled messages that are freed together (bytes). */
  readonly bytes: number;
  /**
   * Dead letters may hold back this many times their own size before they are copied out of the way: so the bytes
   * copied are at most this fraction (1 in `heldTimes`) of the bytes settled (count).
   */
  readonly heldTimes: number;
  /** Limit on copies in one append; a longer letter is appended alone (bytes). */
  readonly copyBytes: number;
}

/** A smaller part of a journal than this is not worth freeing by copies (part of 1). */
const HELD_PART = 1 / 8;

/** On a full disk, letters are copied if they hold back this many times their own size: less makes no room (count). */
const HELD_TIMES_SHORT = 2;
/** Attempts to append copies: a full disk may have refused them only with the entries before them (count). */
const ATTEMPTS_MAX = 3;

/** The values for journals of applications. */
export const FREEING: Freeing = Object.freeze({ bytes: 2 ** 20, heldTimes: 8, copyBytes: 2 ** 16 });

/**
 * Copies dead letters to the end of the journal if they hold back enough settled messages to be worth it. A copy and
 * the state with the new place of its letter are stored together, all or none.
 *
 * The bytes copied are at most an eighth (`heldTimes`) of those settled since the last copies.
 *
 * @see docs/decisions/0042-acknowledgements.md
 */
export class DeadLetterCompactor {
  readonly #options: DeadLetterCompactorOptions;
  /** After a failure, this much has to be held back before the next attempt (bytes). */
  #leastBytes = 0;

  constructor(options: DeadLetterCompactorOptions) {
    this.#options = options;
  }

  /** Whether dead letters hold back enough. @param isShort a full disk has refused entries, or copies */
  isDue(isShort: boolean): boolean {
    return this.#heldBytes >= (isShort ? this.#dueBytesShort : this.#dueBytes);
  }

  /**
   * Copies all letters that hold something back. Nothing else may save the state meanwhile.
   *
   * @param values the state with these moves, to be stored with the copies
   * @param onMoved what lay before the remaining letters may be freed; awaited after each append, since the next may
   *   need the room
   * @throws BrokerlessError as the journal does; earlier copies of this run stay valid
   */
  async run(
    values: (moves: readonly DeadLetterMove[]) => Values,
    onMoved: () => Promise<void>,
  ): Promise<void> {
    const leastBytes = this.#heldBytes * 2;
    try {
      await this.#run(values, onMoved);
      this.#leastBytes = 0;
    } catch (error) {
      // A full disk is temporary, and nothing more can be held back while it lasts.
      this.#leastBytes = isNoSpace(error) ? 0 : leastBytes;
      throw error;
    }
  }

  async #run(
    values: (moves: readonly DeadLetterMove[]) => Values,
    onMoved: () => Promise<void>,
  ): Promise<void> {
    const { journal, dispatcher, load, freeing } = this.#options;
    const { dead, floor } = dispatcher;
    const reader = new LetterReader(load);
    let left = dead.locationsUpTo(floor);
    while (left.length > 0) {
      if (journal.full) await journal.room();
      const letters = await reader.readSome(left, freeing.copyBytes);
      left = left.slice(letters.length);
      await this.#append(letters, values);
      await onMoved();
    }
  }

  /** Estimated size of what is settled and cannot be freed (bytes). */
  get #heldBytes(): number {
    const { journal, dispatcher } = this.#options;
    const { dead, floor } = dispatcher;
    if (dead.size === 0) return 0;
    const held = floor + 1 - dead.lowestAt;
    if (held <= 0) return 0;
    const { bytesKept, entriesKept } = journal.stats();
    return (held * bytesKept) / Math.max(1, entriesKept);
  }

  get #dueBytes(): number {
    const { journal, dispatcher, freeing } = this.#options;
    const { bytes, heldTimes } = freeing;
    const { dead, floor } = dispatcher;
    const deadBytes = dead.size === 0 ? 0 : dead.bytesUpTo(floor);
    const { bytesKept } = journal.stats();
    return Math.max(bytes, heldTimes * deadBytes, bytesKept * HELD_PART, this.#leastBytes);
  }

  get #dueBytesShort(): number {
    const { dispatcher, freeing } = this.#options;
    const { dead, floor } = dispatcher;
    return Math.max(freeing.bytes, HELD_TIMES_SHORT * dead.bytesUpTo(floor), this.#leastBytes);
  }

  async #append(
    letters: readonly ReadLetter[],
    values: (moves: readonly DeadLetterMove[]) => Values,
  ): Promise<void> {
    const { dead } = this.#options.dispatcher;
    for (let attempt = 1; ; attempt++) {
      // Some may have been purged while they were read.
      const there = letters.filter(
        ({ location }) => dead.locationOf(location.seq)?.at === location.at,
      );
      if (there.length === 0) return;
      try {
        await this.#appendThere(there, values);
        return;
      } catch (error) {
        if (!isNoSpace(error) || attempt === ATTEMPTS_MAX) throw error;
      }
    }
  }

  async #appendThere(
    letters: readonly ReadLetter[],
    values: (moves: readonly DeadLetterMove[]) => Values,
  ): Promise<void> {
    const { journal, step, flush, onStored } = this.#options;
    const draft = draftOf(letters);
    flush();
    const first = journal.seqNext;
    const moves = letters.map(({ location: { seq, epoch } }, index) => {
      return { seq, epoch, to: first + index };
    });
    const copies = copiesOf(moves);
    step({ type: "copying", ...copies });
    const stored = journal.appendDraft(draft, { values: values(moves), makesRoom: true });
    try {
      await stored.then(() => {
        step({ type: "copied", moves });
        onStored(copies, draft.batch.length);
      });
    } catch (error) {
      step({ type: "notCopied", ...copies });
      throw error;
    }
  }
}

/** Whether the error is a full disk, which is temporary. Pure. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_NO_SPACE";
}
