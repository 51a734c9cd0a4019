import type { Clock } from "../../../clock.ts";
import type { Dispatcher } from "../../../delivery/dispatch/dispatcher.ts";
import type { DispatcherState } from "../../../delivery/dispatch/dispatcher-events.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { Journal, Values } from "../../../journal/journal.ts";
import { type SavedValues, ValuesOfSender } from "../../saved-values.ts";
import type { SenderIncarnations } from "../../sender-incarnations.ts";

/** Saves with reduced limits before the full limits are tried again (count). */
const SAVES_SMALL = 64;

/** Converts the dispatcher's state to the one to be stored. */
export type StateChange = (state: DispatcherState) => DispatcherState;

/** Dependencies of {@link StateWriter}. */
export interface StateWriterOptions {
  readonly journal: Pick<Journal, "set">;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly incarnations: SenderIncarnations;
  /** Stores what has to be stored before the state. */
  readonly saveFirst: () => void;
  readonly onFailed: (error: BrokerlessError) => void;
}

/**
 * Writes a sender's state beside its messages: as much of it as the journal has room for.
 *
 * The state is one named value, which a journal stores as a whole or not at all: a message that became a dead letter is
 * stored as both settled and dead, or as neither.
 *
 * @see docs/decisions/0046-bounds-of-what-a-sender-saves.md
 */
export class StateWriter {
  readonly #options: StateWriterOptions;
  readonly #values: ValuesOfSender;
  #costBytes = 0;
  /** Saves since there was not enough room for the whole state (count); null: there is enough. */
  #smallSaves: number | null = null;
  #hasLeased = false;
  #isLast = false;

  constructor(options: StateWriterOptions) {
    this.#options = options;
    this.#values = new ValuesOfSender(options.incarnations, options.dispatcher);
  }

  /** Cost of encoding and storing the newest state, as bytes written. */
  get costBytes(): number {
    return this.#costBytes;
  }

  /** Whether the last state made contains messages in flight. */
  get hasLeased(): boolean {
    return this.#hasLeased;
  }

  /** From now on the state is that of an orderly end: messages in flight do not count as attempted. */
  end(): void {
    this.#isLast = true;
  }

  /**
   * Stores the state; a smaller one if there is no room for all of it.
   *
   * @param store stores the values; default: the state alone
   * @throws BrokerlessError as `store` does
   */
  async write(
    change: StateChange = (state) => state,
    store: (values: Values) => PromiseLike<unknown> = (values) => this.#options.journal.set(values),
  ): Promise<void> {
    for (;;) {
      const saved = this.#make(change);
      this.#costBytes = saved.costBytes;
      try {
        await store(saved.values);
      } catch (error) {
        if (!this.shrink(error)) throw error;
        this.#noteSmall();
        continue;
      }
      saved.onStored();
      if (!saved.isWhole) this.#noteSmall();
      else if (this.#smallSaves !== null) this.#growSoon(this.#smallSaves + 1);
      return;
    }
  }

  /** The state after a change, to be stored by the caller. */
  values(change: StateChange): Values {
    return this.#make(change).values;
  }

  /** If a state was too large for the journal, the next is smaller. @returns whether it is */
  shrink(error: unknown): boolean {
    return isTooLarge(error) && this.#values.shrink();
  }

  #make(change: StateChange): SavedValues {
    const { clock, saveFirst } = this.#options;
    saveFirst();
    const times = { nowMs: clock.nowMs(), timeMs: clock.timeMs() };
    return this.#values.make(times, (state) => {
      const now = change(this.#isLast ? stateAtEnd(state) : state);
      this.#hasLeased = now.leased.length > 0;
      return now;
    });
  }

  /** Not all of the state could be saved: reported once, until it can. */
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
}

function isTooLarge(error: unknown): boolean {
  return error instanceof BrokerlessError && error.code === "BROKERLESS_TOO_LARGE";
}

/** The state of an orderly end, in which messages in flight count as not attempted. Pure. */
function stateAtEnd(state: DispatcherState): DispatcherState {
  const before = state.leased
    .filter(({ value }) => value > 1)
    .map(({ first, last, value }) => ({ first, last, value: value - 1 }));
  const attempts = [...state.attempts, ...before].sort((a, b) => a.first - b.first);
  return { ...state, attempts, leased: [], suspects: { ...state.suspects, begun: [] } };
}
