import type { Clock } from "../../clock.ts";
import { stateWithCopies } from "../../delivery/dead-copies.ts";
import type { Dispatcher } from "../../delivery/dispatcher.ts";
import type { DispatcherState } from "../../delivery/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../delivery/dispatcher-start.ts";
import { withStart } from "../../delivery/epochs.ts";
import {
  decodeSenderState,
  encodeSenderState,
  type SenderState,
} from "../../delivery/saved-state.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import type { DeadMover, Freeing } from "./dead-mover.ts";

/** The name under which a journal keeps what its sender knows of acknowledgements. */
export const STATE_NAME = "delivery";
/** Acks are saved together, at most so long after the first (milliseconds): the tail that may be sent again. */
const SAVE_MS = 20;

/** What an {@link AckKeeper} is made of. */
export interface AckKeeperOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly dispatcher: () => Dispatcher;
  /** What is known now is about to be saved: remember which acks that covers. @returns called when it is saved */
  readonly onSave: () => () => void;
  /** Copies dead letters that hold back what is settled. */
  readonly mover: DeadMover;
  readonly freeing: Freeing;
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
export class AckKeeper {
  readonly state: SenderState;
  /** What is wrong with the state that was found; null when nothing is. */
  readonly fault: BrokerlessError | null;
  readonly #options: AckKeeperOptions;
  #isDirty = false;
  #saving: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #unfreedBytes = 0;
  #seqFreed = 0;
  #floor: number;
  #failed = false;
  /** Whether what was saved last says that messages are handed out. */
  #saysLeased = false;
  #isEnding = false;

  constructor(options: AckKeeperOptions) {
    this.#options = options;
    const { state, fault } = restore(options.journal);
    this.state = state;
    this.fault = fault;
    this.#floor = state.floor;
  }

  /** Every seq up to this one is known, across restarts, to be settled. */
  get floor(): number {
    return this.#floor;
  }

  /**
   * Stores something together with a changed state, while nothing else is saved: both or neither.
   *
   * @param change what the state will be then; the dispatcher is told by `store`, at once when it is stored
   * @throws what `store` does
   */
  async together(
    change: (state: DispatcherState) => DispatcherState,
    store: (values: Values) => Promise<void>,
  ): Promise<void> {
    while (this.#saving !== null) await this.#saving;
    const stored = store(this.#values(change));
    const ended = () => {
      this.#saving = null;
      if (this.#isDirty) this.settled(0);
    };
    this.#saving = stored.then(ended, ended);
    await stored;
  }

  /** Something was settled (bytes): it is saved soon. */
  settled(bytes: number): void {
    this.#unfreedBytes += bytes;
    this.#isDirty = true;
    if (this.#saving !== null || this.#failed) return;
    if (this.#unfreedBytes >= this.#options.freeing.bytes) void this.save();
    else this.#cancel ??= this.#options.clock.after(SAVE_MS, () => void this.save());
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
    // What was settled meanwhile is saved with the next.
    if (this.#isDirty) this.settled(0);
  }

  /** Saves for the last time: that it ends in order is no failed try of what is handed out. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#isDirty ||= this.#saysLeased;
    await this.save();
  }

  /** Saves no more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  async #save(): Promise<void> {
    await this.#moveDead();
    this.#isDirty = false;
    const { journal, dispatcher } = this.#options;
    // The lowest seq that may still be asked for.
    const seqNeeded = Math.min(dispatcher().floor + 1, dispatcher().dead.lowestAt);
    const onSaved = this.#options.onSave();
    try {
      if (journal.full) await journal.room();
      const { floor } = dispatcher();
      await journal.set(this.#values((state) => state));
      this.#floor = floor;
      onSaved();
      await this.#free(seqNeeded);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #values(change: (state: DispatcherState) => DispatcherState): Values {
    const { epoch, epochSeqFirst, epochsBefore } = this.state;
    const { leased, ...rest } = this.#options.dispatcher().state();
    const state = change({ ...rest, leased: this.#isEnding ? [] : leased });
    this.#saysLeased = state.leased.length > 0;
    return { [STATE_NAME]: encodeSenderState({ epoch, epochSeqFirst, epochsBefore, ...state }) };
  }

  /** What holds back the journal is copied to its end; where that fails it goes on holding it back. */
  async #moveDead(): Promise<void> {
    const { mover, onFailed } = this.#options;
    if (!mover.isDue) return;
    try {
      await mover.run((moves) => this.#values((state) => stateWithCopies(state, moves)));
    } catch (cause) {
      onFailed(toError(cause, "cannot copy dead letters"));
    }
  }

  /** Frees what is settled for good, once it is stored that it is. */
  async #free(seqNeeded: number): Promise<void> {
    const { journal, freeing } = this.#options;
    // Where freeing costs a write, it is done less often.
    if (this.#unfreedBytes < freeing.bytes && journal.stats().bytesKept > freeing.bytes * 4) return;
    if (seqNeeded <= this.#seqFreed) return;
    this.#unfreedBytes = 0;
    this.#seqFreed = seqNeeded;
    await journal.hold(STATE_NAME, seqNeeded);
    await journal.truncateBefore(seqNeeded);
  }

  #fail(cause: unknown): void {
    const error = toError(cause, "cannot save what is settled");
    if (error.code === "BROKERLESS_CLOSED") this.#failed = true;
    else if (error.retryable) this.#isDirty = true;
    else this.#failed = true;
    this.#options.onFailed(error);
  }
}

function toError(cause: unknown, message: string): BrokerlessError {
  if (cause instanceof BrokerlessError) return cause;
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message, { cause });
}

function restore(journal: Journal): {
  readonly state: SenderState;
  readonly fault: BrokerlessError | null;
} {
  const bytes = journal.get(STATE_NAME);
  const saved = bytes === null ? null : decodeSenderState(bytes);
  const { epoch, seqFirst, seqStored } = journal;
  let fault: BrokerlessError | null = null;
  if (bytes !== null && saved === null) {
    const message = "what the journal says of acknowledgements is unreadable; all is sent again";
    fault = new BrokerlessError("BROKERLESS_CORRUPT", message);
  }
  if (saved === null) {
    const epochSeqFirst = epoch === 1 ? 1 : seqStored + 1;
    const floor = seqFirst - 1;
    const start = { epoch, epochSeqFirst, epochsBefore: [] };
    return { state: { ...DISPATCHER_STATE_EMPTY, ...start, floor }, fault };
  }
  const known = saved.epoch === epoch;
  const floor = Math.min(Math.max(saved.floor, seqFirst - 1), seqStored);
  if (seqFirst - 1 > saved.floor && saved.dead.length === 0) {
    const message = `messages ${saved.floor + 1} to ${seqFirst - 1} were freed before they were processed`;
    fault = new BrokerlessError("BROKERLESS_GAP", message);
  }
  const inside = ({ first, last }: { readonly first: number; readonly last: number }) =>
    first > floor && last <= seqStored;
  const state: SenderState = {
    epoch,
    epochSeqFirst: known ? saved.epochSeqFirst : seqStored + 1,
    epochsBefore: known
      ? saved.epochsBefore
      : withStart(saved.epochsBefore, { epoch: saved.epoch, seqFirst: saved.epochSeqFirst }),
    floor,
    settled: saved.settled.filter(inside),
    attempts: saved.attempts.filter(inside),
    leased: saved.leased.filter(inside),
    dead: saved.dead.filter(({ last, value }) => last + value.offset <= seqStored),
    receivers: saved.receivers,
  };
  return { state, fault };
}
