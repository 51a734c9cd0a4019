import type { Clock } from "../../clock.ts";
import type { Move } from "../../delivery/dispatch/dead-letter-index.ts";
import { stateWithCopies } from "../../delivery/dispatch/dead-letter-moves.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type { DispatcherState } from "../../delivery/dispatch/dispatcher-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import { bytesOf } from "../journal-bytes.ts";
import { type SavedValues, STATE_NAME, ValuesOfSender } from "../saved-values.ts";
import type { SenderEpochs } from "../sender-epochs.ts";
import { type DeadLetterCompactor, type Freeing, isNoSpace } from "./dead-letter-compactor.ts";
import { RoomSeeker } from "./room-seeker.ts";
import type { SavedProgress } from "./saved-progress.ts";

/** Acks are saved together, at most so long after the first (milliseconds): the tail that may be sent again. */
const SAVE_MS = 20;
/** Where much is to be saved it is saved less often: so much cost for each millisecond in between (bytes). */
const SAVE_BYTES_PER_MS = 4_096;
/** More than this is not saved earlier because much was settled (bytes). */
const SAVE_BYTES_FEW = 2 ** 16;
/** Rest after a save that failed, doubled each time (milliseconds). */
const RETRY_MS = 100;
const RETRY_MS_MAX = 2_000;
/** After so many saves it is tried whether there is room again for all that there is to say (count). */
const SAVES_SMALL = 64;

/** Dependencies of {@link SenderStateStore}. */
export interface SenderStateStoreOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly progress: SavedProgress;
  /** What is known now is about to be saved: remember which acks that covers. @returns called when it is saved */
  readonly onSave: () => () => void;
  /** Stores what has to be stored before the state. */
  readonly saveFirst: () => void;
  /** Copies dead letters that hold back what is settled. */
  readonly compactor: DeadLetterCompactor;
  readonly freeing: Freeing;
  readonly epochs: SenderEpochs;
  readonly onFailed: (error: BrokerlessError) => void;
}

/**
 * Keeps what is settled beside the journal that holds the messages, and frees what nobody needs.
 *
 * The state is one named value, which a journal stores as a whole or not at all: a message that became a
 * dead letter is in it as settled and as dead, or as neither.
 *
 * @see docs/decisions/0042-acknowledgements.md
 */
export class SenderStateStore {
  readonly #options: SenderStateStoreOptions;
  readonly #values: ValuesOfSender;
  readonly #progress: SavedProgress;
  #isDirty = false;
  #saving: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  /** Settled since the last save (bytes). */
  #unsavedBytes = 0;
  /** Settled and not freed, what a sender before this one has left so included (bytes). */
  #unfreedBytes: number;
  #seqFreed: number;
  /** Nothing can be saved any more. */
  #failed = false;
  #retryMs = 0;
  /** What was told of saves that fail: the same is told again when one has succeeded in between. */
  #told: string | null = null;
  /** It could not be stored that retention must keep what is not processed. */
  #lacksHold = false;
  #costBytes = 0;
  /** Saves since there was no room for all that there is to say (count); null: there is. */
  #smallSaves: number | null = null;
  /** Whether what was saved last says that messages are handed out. */
  #saysLeased = false;
  #isEnding = false;
  readonly #seeker: RoomSeeker;
  /** Letters were moved since something was freed: what lay before them may be much. */
  #hasMoved = false;
  /** What was told of moves that fail, as for saves. */
  #toldOfMoves: string | null = null;

  constructor(options: SenderStateStoreOptions) {
    this.#options = options;
    this.#progress = options.progress;
    this.#values = new ValuesOfSender(options.epochs, options.dispatcher);
    this.#seqFreed = freedBefore(options.journal);
    this.#unfreedBytes = bytesOf(options.journal, { first: 1, last: options.progress.floor });
    this.#seeker = new RoomSeeker({ clock: options.clock, seek: () => this.#seekRoom() });
    void this.#hold();
  }

  /** A full disk has refused messages: what can be freed is freed, though it is little. */
  shortage(): void {
    this.#seeker.shortage();
  }

  /** Every seq up to this one is known, across restarts, to be settled. */
  get floor(): number {
    return this.#progress.floor;
  }

  /**
   * Stores something together with a changed state, while nothing else is saved: both or neither.
   *
   * @param plan what is to be done, by what is true when its turn has come; null: nothing. `change` says what the state
   *   will be then; the dispatcher is told by `store`, at once when it is stored
   * @returns what the plan says
   * @throws what `store` does
   */
  async together<T>(plan: () => Together<T>): Promise<T> {
    while (this.#saving !== null) await this.#saving;
    const stored = this.#storeTogether(plan);
    const ended = () => {
      this.#saving = null;
      if (this.#isDirty) this.settled(0);
    };
    this.#saving = stored.then(ended, ended);
    return stored;
  }

  /** Something was settled (bytes), or has changed otherwise: it is saved soon. */
  settled(bytes: number): void {
    this.#unfreedBytes += bytes;
    this.#unsavedBytes += bytes;
    this.#isDirty = true;
    if (this.#saving !== null || this.#failed) return;
    const isMuch = this.#unsavedBytes >= this.#options.freeing.bytes;
    if (isMuch && this.#retryMs === 0 && this.#costBytes < SAVE_BYTES_FEW) void this.save();
    else this.#saveLater();
  }

  /** Saves at once, unless the last try failed, or the one that is going on does: however many are in a hurry. */
  async hurry(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    if (this.#retryMs > 0) this.#saveLater();
    else await this.save();
  }

  /** Saves what is not saved. @returns resolves when all that is known at the call is saved; never rejects */
  async save(): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    if (!this.#isDirty || this.#failed) return;
    this.#cancel?.();
    this.#cancel = null;
    this.#saving = this.#save();
    await this.#saving;
    this.#saving = null;
    // What was settled meanwhile is saved with the next, and what could not be saved later.
    if (this.#isDirty) this.settled(0);
  }

  /** Saves for the last time, moves of dead letters included: that it ends in order is no failed try of what is handed out. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#isDirty ||= this.#saysLeased;
    await this.save();
    this.close();
  }

  /** Saves no more. */
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
    return Math.max(SAVE_MS, this.#retryMs, this.#costBytes / SAVE_BYTES_PER_MS);
  }

  async #save(): Promise<void> {
    // On a full disk each save would try in vain.
    if (!this.#seeker.isWaiting || this.#isEnding) await this.#moveDead();
    this.#isDirty = false;
    this.#unsavedBytes = 0;
    const { journal, dispatcher } = this.#options;
    // The lowest seq that may still be asked for.
    const seqNeeded = Math.min(dispatcher.floor + 1, dispatcher.dead.lowestAt);
    const onSaved = this.#options.onSave();
    try {
      if (journal.full) await journal.room();
      if (this.#lacksHold) await journal.hold(STATE_NAME, this.#progress.floor + 1);
      this.#lacksHold = false;
      const { floor } = dispatcher;
      await this.#store(() => this.#make((state) => state));
      this.#progress.floor = floor;
      onSaved();
      await this.#free(seqNeeded);
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
    await this.#store(() => this.#make(change), store);
    this.#succeeded();
    return result;
  }

  /** Stores as much of what there is to say as there is room for. */
  async #store(
    make: () => SavedValues,
    store: (values: Values) => PromiseLike<unknown> = (values) => this.#options.journal.set(values),
  ): Promise<void> {
    for (;;) {
      const saved = make();
      this.#costBytes = saved.costBytes;
      try {
        await store(saved.values);
      } catch (error) {
        if (!isTooLarge(error) || !this.#values.shrink()) throw error;
        this.#noteSmall();
        continue;
      }
      saved.onStored();
      if (!saved.isWhole) this.#noteSmall();
      else if (this.#smallSaves !== null) this.#growSoon(this.#smallSaves + 1);
      return;
    }
  }

  #make(change: (state: DispatcherState) => DispatcherState): SavedValues {
    const { clock, saveFirst } = this.#options;
    saveFirst();
    const times = { nowMs: clock.nowMs(), timeMs: clock.timeMs() };
    return this.#values.make(times, (state) => {
      const now = change(this.#isEnding ? stateAtEnd(state) : state);
      this.#saysLeased = now.leased.length > 0;
      return now;
    });
  }

  /** Before the first message: no retention frees what is not processed. */
  async #hold(): Promise<void> {
    const { journal } = this.#options;
    if (journal.holds().has(STATE_NAME)) return;
    try {
      await journal.hold(STATE_NAME, this.#progress.floor + 1);
    } catch (cause) {
      const error = toError(cause, "cannot keep what is not processed from being freed");
      if (error.code !== "BROKERLESS_CLOSED") this.#holdLater(error);
    }
  }

  /** Tried again with what is saved next. */
  #holdLater(error: BrokerlessError): void {
    this.#lacksHold = true;
    this.#fail(error);
    if (this.#saving === null) this.#saveLater();
  }

  /** What holds back the journal is copied to its end; where that fails it goes on holding it back. */
  async #moveDead(): Promise<void> {
    const { compactor, dispatcher, onFailed } = this.#options;
    if (!compactor.isDue(this.#seeker.isShort)) return;
    let { floor } = this.#progress;
    const values = (moves: readonly Move[]) => {
      floor = dispatcher.floor;
      return this.#make((state) => stateWithCopies(state, moves)).values;
    };
    try {
      await compactor.run(values, () => this.#freeMoved(floor));
      this.#toldOfMoves = null;
    } catch (cause) {
      if (isTooLarge(cause)) this.#values.shrink();
      if (isNoSpace(cause)) this.#seeker.shortage();
      const error = toError(cause, "cannot copy dead letters");
      if (error.code !== this.#toldOfMoves) onFailed(error);
      this.#toldOfMoves = error.code;
    }
  }

  /** What lay before letters that were copied is freed before more are: on a full disk they need the room. */
  async #freeMoved(floor: number): Promise<void> {
    const { journal, dispatcher } = this.#options;
    this.#hasMoved = true;
    // The originals must not be freed before the copies are on the disk, whatever the sync level.
    await journal.sync();
    await this.#free(Math.min(floor + 1, dispatcher.dead.lowestAt));
  }

  /** Copies and frees whatever makes room. @returns whether it did */
  async #seekRoom(): Promise<boolean> {
    while (this.#saving !== null) await this.#saving;
    if (this.#failed) return false;
    const { journal, dispatcher, onFailed } = this.#options;
    const { bytesKept } = journal.stats();
    const seek = async () => {
      await this.#moveDead();
      await this.#free(Math.min(this.#progress.floor + 1, dispatcher.dead.lowestAt));
    };
    this.#saving = seek().catch((cause) => {
      // A full disk is told by what it refuses.
      if (!isNoSpace(cause)) onFailed(toError(cause, "cannot free what is processed"));
    });
    await this.#saving;
    this.#saving = null;
    if (this.#isDirty) this.settled(0);
    return journal.stats().bytesKept < bytesKept;
  }

  /** Frees what is settled for good, once it is stored that it is. */
  async #free(seqNeeded: number): Promise<void> {
    const { journal, freeing } = this.#options;
    if (seqNeeded <= this.#seqFreed) return;
    const bytes = this.#bytesBefore(seqNeeded);
    // Where freeing costs a write, it is done less often.
    const isWorth = bytes >= freeing.bytes || this.#hasMoved || this.#seeker.isShort;
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

  /** Not all that there is to say could be saved: told once, until it can. */
  #noteSmall(): void {
    if (this.#smallSaves === null) {
      const message =
        "no room among the journal's named values for all that is known of acknowledgements: reasons of dead letters " +
        "are cut, and after a restart messages may be sent again that were processed";
      this.#options.onFailed(new BrokerlessError("BROKERLESS_FULL", message));
    }
    this.#smallSaves = 0;
  }

  #growSoon(saves: number): void {
    this.#smallSaves = saves < SAVES_SMALL ? saves : null;
    if (saves >= SAVES_SMALL) this.#values.grow();
  }

  #succeeded(): void {
    this.#retryMs = 0;
    this.#progress.isFailing = this.#failed;
    this.#told = null;
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
    if (error.code !== this.#told) this.#options.onFailed(error);
    this.#told = error.code;
  }
}

/** What is to be stored together with a changed state. */
export interface Together<T> {
  readonly change: (state: DispatcherState) => DispatcherState;
  /** Null: there is nothing to be stored. */
  readonly store: ((values: Values) => PromiseLike<unknown>) | null;
  readonly result: T;
}

/** What the sender before this one has freed. */
function freedBefore(journal: Journal): number {
  return Math.min(journal.seqFirst, journal.holds().get(STATE_NAME) ?? 0);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_TOO_LARGE";
}

function toError(cause: unknown, message: string): BrokerlessError {
  if (cause instanceof BrokerlessError) return cause;
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message, { cause });
}

/** A sender that ends in order has let nobody down: what is handed out has not been tried. Pure. */
function stateAtEnd(state: DispatcherState): DispatcherState {
  const before = state.leased
    .filter(({ value }) => value > 1)
    .map(({ first, last, value }) => ({ first, last, value: value - 1 }));
  const attempts = [...state.attempts, ...before].sort((a, b) => a.first - b.first);
  return { ...state, attempts, leased: [], suspects: { ...state.suspects, begun: [] } };
}
