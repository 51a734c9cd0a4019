import type { Clock } from "../../../clock.ts";
import type { DeadLetterRecord } from "../../../delivery/dispatch/dead-letter-record.ts";
import { Dispatcher } from "../../../delivery/dispatch/dispatcher.ts";
import type {
  DispatcherOptions,
  DispatcherState,
} from "../../../delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../delivery/dispatch/dispatcher-start.ts";
import type { SeqRange } from "../../../delivery/range/range.ts";
import type { ValuedRange } from "../../../delivery/range/range-map.ts";
import { BrokerlessError } from "../../../errors.ts";
import type { Journal } from "../../../journal/journal.ts";
import { goneBefore } from "../../outbound/deduplicator.ts";
import { readState, STATE_NAME, type StoredState } from "../../saved-values.ts";

/**
 * Restores the dispatcher of a journal's messages, as the previous sender left it.
 *
 * @param senderSeqFirst start of the first incarnation of a sender of this journal
 * @returns the dispatcher; a fault of the stored state, or null; and whether all of its state is known to be saved
 */
export function restoreDispatcher(
  journal: Journal,
  senderSeqFirst: number,
  { rules, clock, random }: DispatcherPorts,
): {
  readonly dispatcher: Dispatcher;
  readonly fault: BrokerlessError | null;
  readonly isSaved: boolean;
} {
  const { state, fault } = restoreState(journal, { timeMs: clock.timeMs(), senderSeqFirst });
  const timeMs = (): number => clock.timeMs();
  const inside = { first: state.floor + 1, last: journal.seqStored };
  // Settled messages, so they are in none of the other tables.
  const gone = within(goneBefore(journal), inside);
  const restored = { ...state, settled: [...state.settled, ...gone] };
  const seqBefore = journal.seqStored;
  const start = { state: restored, seqBefore, nowMs: clock.nowMs(), random, timeMs };
  return { dispatcher: new Dispatcher(rules, start), fault, isSaved: gone.length === 0 };
}

/** Dependencies of a dispatcher. */
export interface DispatcherPorts {
  readonly rules: DispatcherOptions;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * The initial state of a sender: the state saved by the previous one, as far as the journal has the messages.
 *
 * @param senderSeqFirst start of the first incarnation of a sender of this journal
 * @returns the state, and a fault of what was stored; null if there is none
 */
function restoreState(
  journal: Journal,
  { timeMs, senderSeqFirst }: { readonly timeMs: number; readonly senderSeqFirst: number },
): { readonly state: DispatcherState; readonly fault: BrokerlessError | null } {
  const { seqFirst, seqStored } = journal;
  const saved = readState(journal);
  if (!saved) {
    // A sender sets its hold before its first message; without a hold, its messages begin with its first incarnation.
    const held = journal.holds().get(STATE_NAME) ?? senderSeqFirst;
    const state = { ...DISPATCHER_STATE_EMPTY, floor: Math.min(held, seqFirst) - 1 };
    return { state, fault: saved === undefined ? unreadable() : null };
  }
  // Messages freed above the floor are missing; that is reported when they are to be read.
  return { state: stateOf(saved, { seqStored, timeMs }), fault: null };
}

function stateOf(
  saved: StoredState,
  at: Pick<Journal, "seqStored"> & { readonly timeMs: number },
): DispatcherState {
  const { seqStored, timeMs } = at;
  const floor = Math.min(saved.floor, seqStored);
  const inside = { first: floor + 1, last: seqStored };
  // A clock that was set back does not lengthen a back-off.
  const pastMs = Math.max(0, timeMs - saved.timeMs);
  return {
    floor,
    settled: within(saved.settled, inside),
    attempts: within(saved.attempts, inside),
    leased: within(saved.leased, inside),
    backOffs: within(saved.backOffs, inside).map(
      ({ first, last, value: { attempts, backOffMs } }) => {
        return { first, last, value: { attempts, backOffMs: Math.max(0, backOffMs - pastMs) } };
      },
    ),
    dead: saved.dead.filter((letters: ValuedRange<DeadLetterRecord>) =>
      isStored(letters, seqStored),
    ),
    suspects: {
      begun: within(saved.suspects.begun, inside),
      guarded: within(saved.suspects.guarded, inside),
      exposed: within(saved.suspects.exposed, inside),
      deaths: saved.suspects.deaths,
    },
    firsts: within(saved.firsts, inside),
    receivers: saved.receivers,
  };
}

function isStored({ last, value }: ValuedRange<DeadLetterRecord>, seqStored: number): boolean {
  return last + value.offset <= seqStored;
}

/** Cuts ranges to the part inside another range. */
function within<R extends SeqRange>(ranges: readonly R[], { first, last }: SeqRange): R[] {
  return ranges
    .filter((range) => range.last >= first && range.first <= last)
    .map((range) => ({
      ...range,
      first: Math.max(range.first, first),
      last: Math.min(range.last, last),
    }));
}

function unreadable(): BrokerlessError {
  const message = "what the journal says of acknowledgements is unreadable; all is sent again";
  return new BrokerlessError("BROKERLESS_CORRUPT", message);
}
