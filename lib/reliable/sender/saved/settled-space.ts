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
 * The part of the journal that is settled and not freed yet: held until its settlement is stored, then freed; less
 * often if freeing costs a write.
 */
export class SettledSpace {
  readonly #options: SettledSpaceOptions;
  /** Settled and not freed, including what an earlier sender left in this state (bytes). */
  #unfreedBytes: number;
  #seqFreed: number;
  /** Letters were moved since the last freeing: much may lie before their former places. */
  #hasMoved = false;
  #lacksHold = false;

  constructor(options: SettledSpaceOptions) {
    this.#options = options;
    this.#seqFreed = freedBefore(options.journal);
    this.#unfreedBytes = bytesOf(options.journal, { first: 1, last: options.progress.floor });
  }

  /** The hold that keeps retention from freeing unprocessed messages could not be stored. */
  get lacksHold(): boolean {
    return this.#lacksHold;
  }

  /** Messages were settled (bytes). */
  settled(bytes: number): void {
    this.#unfreedBytes += bytes;
  }

  /**
   * Sets the hold before the first message, so that no retention frees unprocessed messages.
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

  /** Retries a hold that failed. @throws BrokerlessError as the journal does */
  async holdAgain(): Promise<void> {
    const { journal, progress } = this.#options;
    await journal.hold(STATE_NAME, progress.floor + 1);
    this.#lacksHold = false;
  }

  /** The lowest seq that may still be read when everything up to `floor` is settled. */
  neededWith(floor: number): number {
    return Math.min(floor + 1, this.#options.dispatcher.dead.lowestAt);
  }

  /** Frees what lay before copied letters, before more are copied: on a full disk these need the room. */
  async freeMoved(floor: number): Promise<void> {
    this.#hasMoved = true;
    // The originals must not be freed before the copies are on the disk, whatever the sync level.
    await this.#options.journal.sync();
    await this.free(this.neededWith(floor));
  }

  /**
   * Frees settled messages for good, once their settlement is stored.
   *
   * @param isShort a full disk has refused entries: whatever can be freed is freed, even if it is little
   * @throws BrokerlessError as the journal does
   */
  async free(seqNeeded: number, isShort = false): Promise<void> {
    const { journal, freeing } = this.#options;
    if (seqNeeded <= this.#seqFreed) return;
    const bytes = this.#bytesBefore(seqNeeded);
    // If freeing costs a write, it is done less often.
    const isWorth = bytes >= freeing.bytes || this.#hasMoved || isShort;
    if (!isWorth && journal.stats().bytesKept > freeing.bytes * 4) return;
    await journal.hold(STATE_NAME, seqNeeded);
    await journal.truncateBefore(seqNeeded);
    // After success only: the next save retries what a full disk refused, even if nothing more was settled.
    this.#unfreedBytes -= bytes;
    this.#hasMoved = false;
    this.#seqFreed = seqNeeded;
  }

  /** The settled, unfreed bytes that no dead letter holds back, with equal size for each message (bytes). */
  #bytesBefore(seqNeeded: number): number {
    const seqSettled = Math.max(seqNeeded, this.#options.dispatcher.floor + 1);
    const part = (seqNeeded - this.#seqFreed) / (seqSettled - this.#seqFreed);
    return this.#unfreedBytes * part;
  }
}

/** The first seq that the previous sender did not free. */
function freedBefore(journal: Journal): number {
  return Math.min(journal.seqFirst, journal.holds().get(STATE_NAME) ?? 0);
}
