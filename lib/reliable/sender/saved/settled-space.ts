import type { Dispatcher } from "../../../delivery/dispatch/dispatcher.ts";
import type { Journal } from "../../../journal/journal.ts";
import { bytesOf } from "../../journal-bytes.ts";
import { STATE_NAME } from "../../saved-values.ts";
import type { Freeing } from "./dead-letter-compactor.ts";
import type { SavedProgress } from "./saved-progress.ts";

/** Dependencies of {@link SettledSpace}. */
export interface SettledSpaceOptions {
  readonly journal: Journal;
  readonly dispatcher: Pick<Dispatcher, "floor" | "dead">;
  readonly progress: Readonly<SavedProgress>;
  readonly freeing: Freeing;
}

/**
 * The part of the journal that is settled and not freed yet: held until it is stored that it is settled, then freed,
 * less often where that costs a write.
 */
export class SettledSpace {
  readonly #options: SettledSpaceOptions;
  /** Settled and not freed, what a sender before this one has left so included (bytes). */
  #unfreedBytes: number;
  #seqFreed: number;
  /** Letters were moved since something was freed: what lay before them may be much. */
  #hasMoved = false;
  #lacksHold = false;

  constructor(options: SettledSpaceOptions) {
    this.#options = options;
    this.#seqFreed = freedBefore(options.journal);
    this.#unfreedBytes = bytesOf(options.journal, { first: 1, last: options.progress.floor });
  }

  /** It could not be stored that retention must keep what is not processed. */
  get lacksHold(): boolean {
    return this.#lacksHold;
  }

  /** Something was settled (bytes). */
  settled(bytes: number): void {
    this.#unfreedBytes += bytes;
  }

  /**
   * Before the first message: no retention frees what is not processed.
   *
   * @throws BrokerlessError as the journal does; then `lacksHold` is true, and `holdAgain` tries again
   */
  async hold(): Promise<void> {
    const { journal, progress } = this.#options;
    if (journal.holds().has(STATE_NAME)) return;
    try {
      await journal.hold(STATE_NAME, progress.floor + 1);
    } catch (cause) {
      this.#lacksHold = true;
      throw cause;
    }
  }

  /** Where it could not be held before. @throws BrokerlessError as the journal does */
  async holdAgain(): Promise<void> {
    const { journal, progress } = this.#options;
    await journal.hold(STATE_NAME, progress.floor + 1);
    this.#lacksHold = false;
  }

  /** The lowest seq that may still be asked for, when everything up to `floor` is settled. */
  neededWith(floor: number): number {
    return Math.min(floor + 1, this.#options.dispatcher.dead.lowestAt);
  }

  /** What lay before letters that were copied is freed before more are: on a full disk they need the room. */
  async freeMoved(floor: number): Promise<void> {
    this.#hasMoved = true;
    // The originals must not be freed before the copies are on the disk, whatever the sync level.
    await this.#options.journal.sync();
    await this.free(this.neededWith(floor));
  }

  /**
   * Frees what is settled for good, once it is stored that it is.
   *
   * @param isShort a full disk has refused entries: what can be freed is freed, though it is little
   * @throws BrokerlessError as the journal does
   */
  async free(seqNeeded: number, isShort = false): Promise<void> {
    const { journal, freeing } = this.#options;
    if (seqNeeded <= this.#seqFreed) return;
    const bytes = this.#bytesBefore(seqNeeded);
    // Where freeing costs a write, it is done less often.
    const isWorth = bytes >= freeing.bytes || this.#hasMoved || isShort;
    if (!isWorth && journal.stats().bytesKept > freeing.bytes * 4) return;
    await journal.hold(STATE_NAME, seqNeeded);
    await journal.truncateBefore(seqNeeded);
    // What a full disk has refused is freed by the next save, though nothing more was settled.
    this.#unfreedBytes -= bytes;
    this.#hasMoved = false;
    this.#seqFreed = seqNeeded;
  }

  /** Of what is settled and not freed, the part that no dead letter holds back, as much for each message (bytes). */
  #bytesBefore(seqNeeded: number): number {
    const seqSettled = Math.max(seqNeeded, this.#options.dispatcher.floor + 1);
    const part = (seqNeeded - this.#seqFreed) / (seqSettled - this.#seqFreed);
    return this.#unfreedBytes * part;
  }
}

/** What the sender before this one has freed. */
function freedBefore(journal: Journal): number {
  return Math.min(journal.seqFirst, journal.holds().get(STATE_NAME) ?? 0);
}
