import type { Clock } from "../../../clock.ts";
import type { DeadLetterMove } from "../../../delivery/dispatch/dead-letter-index.ts";
import { stateWithCopies } from "../../../delivery/dispatch/dead-letter-moves.ts";
import type { Dispatcher } from "../../../delivery/dispatch/dispatcher.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { Journal, Values } from "../../../journal/journal.ts";
import type { SenderIncarnations } from "../../sender-incarnations.ts";
import { type DeadLetterCompactor, type Freeing, isNoSpace } from "./dead-letter-compactor.ts";
import { RoomSeeker } from "./room-seeker.ts";
import type { SavedProgress } from "./saved-progress.ts";
import { SettledSpace } from "./settled-space.ts";
import { type StateChange, StateWriter } from "./state-writer.ts";

/** Acks are saved together, at most this long after the first (milliseconds); a crash may repeat those messages. */
const SAVE_MS = 20;
/** A large state is saved less often: the pause has one millisecond for each of these units of cost (bytes). */
const SAVE_BYTES_PER_MS = 4_096;
/** A state of at least this cost is not saved early when much was settled (bytes). */
const SAVE_BYTES_FEW = 2 ** 16;
/** Pause after a failed save, doubled each time (milliseconds). */
const RETRY_MS = 100;
const RETRY_MS_MAX = 2_000;

/** Dependencies of {@link SenderStateStore}. */
export interface SenderStateStoreOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly progress: SavedProgress;
  /** The current state is about to be saved: takes note of the acks it covers. @returns called when it is saved */
  readonly onSave: () => () => void;
  /** Stores what has to be stored before the state. */
  readonly saveFirst: () => void;
  /** Copies dead letters that hold back settled messages. */
  readonly compactor: DeadLetterCompactor;
  readonly freeing: Freeing;
  readonly incarnations: SenderIncarnations;
  readonly onFailed: (error: BrokerlessError) => void;
}

/**
 * Saves the settlement state beside the journal of the messages, and frees what is no longer needed: decides when, runs
 * one save at a time, and retries failed ones.
 *
 * @see docs/decisions/0042-acknowledgements.md
 */
export class SenderStateStore {
  readonly #options: SenderStateStoreOptions;
  readonly #writer: StateWriter;
  readonly #space: SettledSpace;
  readonly #progress: SavedProgress;
  #isDirty = false;
  #saving: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  /** Settled since the last save (bytes). */
  #unsavedBytes = 0;
  /** Nothing can be saved any more. */
  #failed = false;
  #retryMs = 0;
  /** Code of the last reported failure of a save; the same code is reported again only after a successful save. */
  #reportedCode: string | null = null;
  #isEnding = false;
  readonly #seeker: RoomSeeker;
  /** The same for failed moves of dead letters. */
  #reportedMoveCode: string | null = null;

  constructor(options: SenderStateStoreOptions) {
    this.#options = options;
    this.#progress = options.progress;
    this.#writer = new StateWriter(options);
    this.#space = new SettledSpace(options);
    this.#seeker = new RoomSeeker({ clock: options.clock, seek: () => this.#seekRoom() });
    void this.#hold();
  }

  /** A full disk has refused messages: whatever can be freed is freed, even if it is little. */
  shortage(): void {
    this.#seeker.shortage();
  }

  /** Every seq up to this one is settled, and that survives restarts. */
  get floor(): number {
    return this.#progress.floor;
  }

  /**
   * Stores something together with a changed state, while nothing else is saved: both or neither.
   *
   * @param plan called when its turn has come: returns the changes under the conditions of that moment. `change`
   *   returns the future state; `store` notifies the dispatcher as soon as it is stored; null: nothing to store
   * @returns the result of the plan
   * @throws what `store` throws
   */
  async together<T>(plan: () => Together<T>): Promise<T> {
    while (this.#saving !== null) await this.#saving;
    const stored = this.#storeTogether(plan);
    const ended = () => {
      this.#saving = null;
      if (this.#isDirty) this.markDirty();
    };
    this.#saving = stored.then(ended, ended);
    return stored;
  }

  /** Messages were settled (bytes): the state is saved soon. */
  settled(bytes: number): void {
    this.#space.settled(bytes);
    this.#unsavedBytes += bytes;
    this.markDirty();
  }

  /** The state has changed: it is saved soon. */
  markDirty(): void {
    this.#isDirty = true;
    if (this.#saving !== null || this.#failed) return;
    const isMuch = this.#unsavedBytes >= this.#options.freeing.bytes;
    if (isMuch && this.#retryMs === 0 && this.#writer.costBytes < SAVE_BYTES_FEW) void this.save();
    else this.#saveLater();
  }

  /** Saves at once, unless the last attempt failed, or the current one fails; any number of calls share one save. */
  async hurry(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    if (this.#retryMs > 0) this.#saveLater();
    else await this.save();
  }

  /** Saves unsaved changes. @returns resolves when the state at the call is saved, or that failed; never rejects */
  async save(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    if (!this.#isDirty || this.#failed) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#saving = this.#save();
    await this.#saving;
    this.#saving = null;
    // Changes made meanwhile, and those that could not be saved, are saved with the next.
    if (this.#isDirty) this.markDirty();
  }

  /** Saves for the last time, moves included. An orderly end is no failed attempt of messages in flight. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#writer.end();
    this.#isDirty ||= this.#writer.hasLeased;
    await this.save();
    this.close();
  }

  /** Ends all saving. */
  close(): void {
    this.#failed = true;
    this.#progress.isFailing = true;
    this.#seeker.stop();
    this.#cancel?.();
    this.#cancel = null;
  }

  #saveLater(): void {
    if (this.#failed || !this.#isDirty) return;
    this.#cancel ??= this.#options.clock.after(this.#pauseMs, () => void this.save());
  }

  get #pauseMs(): number {
    return Math.max(SAVE_MS, this.#retryMs, this.#writer.costBytes / SAVE_BYTES_PER_MS);
  }

  async #save(): Promise<void> {
    // On a full disk, moves would fail at each save.
    if (!this.#seeker.isWaiting || this.#isEnding) await this.#moveDead();
    this.#isDirty = false;
    this.#unsavedBytes = 0;
    const { journal, dispatcher } = this.#options;
    const seqNeeded = this.#space.neededWith(dispatcher.floor);
    const onSaved = this.#options.onSave();
    try {
      if (journal.full) await journal.room();
      if (this.#space.lacksHold) await this.#space.holdAgain();
      const { floor } = dispatcher;
      await this.#writer.write();
      this.#progress.floor = floor;
      onSaved();
      await this.#space.free(seqNeeded, this.#seeker.isShort);
      this.#succeeded();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async #storeTogether<T>(plan: () => Together<T>): Promise<T> {
    const { journal } = this.#options;
    if (journal.full) await journal.room();
    const { change, store, result } = plan();
    if (store === null) return result;
    await this.#writer.write(change, store);
    this.#succeeded();
    return result;
  }

  async #hold(): Promise<void> {
    try {
      await this.#space.hold();
    } catch (cause) {
      const error = toError(cause, "cannot keep what is not processed from being freed");
      if (error.code !== "BROKERLESS_CLOSED") this.#holdLater(error);
    }
  }

  /** The next save tries again to set the hold. */
  #holdLater(error: BrokerlessError): void {
    this.#fail(error);
    if (this.#saving === null) this.#saveLater();
  }

  /** Copies letters that hold back the journal to its end; if that fails, they continue to hold it back. */
  async #moveDead(): Promise<void> {
    const { compactor, dispatcher, onFailed } = this.#options;
    if (!compactor.isDue(this.#seeker.isShort)) return;
    let { floor } = this.#progress;
    const values = (moves: readonly DeadLetterMove[]) => {
      floor = dispatcher.floor;
      return this.#writer.values((state) => stateWithCopies(state, moves));
    };
    try {
      await compactor.run(values, () => this.#space.freeMoved(floor));
      this.#reportedMoveCode = null;
    } catch (cause) {
      this.#writer.shrink(cause);
      if (isNoSpace(cause)) this.#seeker.shortage();
      const error = toError(cause, "cannot copy dead letters");
      if (error.code !== this.#reportedMoveCode) onFailed(error);
      this.#reportedMoveCode = error.code;
    }
  }

  /** Copies and frees whatever makes room. @returns whether it did */
  async #seekRoom(): Promise<boolean> {
    while (this.#saving !== null) await this.#saving;
    if (this.#failed) return false;
    const { journal, onFailed } = this.#options;
    const { bytesKept } = journal.stats();
    const seek = async () => {
      await this.#moveDead();
      await this.#space.free(this.#space.neededWith(this.#progress.floor), this.#seeker.isShort);
    };
    this.#saving = seek().catch((cause) => {
      // A full disk is reported with the writes that it refuses.
      if (!isNoSpace(cause)) onFailed(toError(cause, "cannot free what is processed"));
    });
    await this.#saving;
    this.#saving = null;
    if (this.#isDirty) this.markDirty();
    return journal.stats().bytesKept < bytesKept;
  }

  #succeeded(): void {
    this.#retryMs = 0;
    this.#progress.isFailing = this.#failed;
    this.#reportedCode = null;
  }

  #fail(cause: unknown): void {
    const error = toError(cause, "cannot save what is settled");
    if (error.code === "BROKERLESS_CLOSED" || error.code === "BROKERLESS_JOURNAL_FAILED") {
      this.#failed = true;
    } else {
      this.#isDirty = true;
      this.#retryMs = Math.min(Math.max(RETRY_MS, this.#retryMs * 2), RETRY_MS_MAX);
    }
    this.#progress.isFailing = true;
    if (error.code !== this.#reportedCode) this.#options.onFailed(error);
    this.#reportedCode = error.code;
  }
}

/** What to store together with a changed state. */
export interface Together<T> {
  readonly change: StateChange;
  /** Null: there is nothing to store. */
  readonly store: ((values: Values) => PromiseLike<unknown>) | null;
  readonly result: T;
}

function toError(cause: unknown, message: string): BrokerlessError {
  if (cause instanceof BrokerlessError) return cause;
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message, { cause });
}
