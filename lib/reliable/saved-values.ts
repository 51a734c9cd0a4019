import type { DeadLetterRecord } from "../delivery/dispatch/dead-letter-record.ts";
import type { Dispatcher } from "../delivery/dispatch/dispatcher.ts";
import type { DispatcherState } from "../delivery/dispatch/dispatcher-events.ts";
import type { ValuedRange } from "../delivery/range/range-map.ts";
import { DEAD_VERSION, decodeDead, encodeDead } from "../delivery/saved/saved-dead.ts";
import {
  decodeSenderState,
  encodeWithin,
  SENDER_STATE_VERSION,
  type SenderState,
  versionOfState,
} from "../delivery/saved/saved-state.ts";
import { BrokerlessError } from "../errors.ts";
import type { Journal, Values } from "../journal/journal.ts";
import type { SenderIncarnations } from "./sender-incarnations.ts";

/** Name of the value in which a journal stores the acknowledgement state of its sender. */
export const STATE_NAME = "delivery";
/** Name of the value with its dead letters; written only when they have changed. */
export const DEAD_NAME = "delivery-dead";

/** Limit on the first value (bytes). A journal's named values hold 1 MiB: a quarter of it is for deduplication ids. */
const STATE_BYTES_MAX = 2 ** 18;
/** Limit on the second value, as far as texts can be cut (bytes). */
const DEAD_BYTES_MAX = 2 ** 18 + 2 ** 17;
/** Cost of iterating over one range of the tables, as bytes written. */
const RANGE_COST_BYTES = 16;
/** If other values take up the room, the limits are reduced step by step, down to this part of them. */
const SCALE_MIN = 1 / 64;

/** Values to be stored. */
export interface SavedValues {
  readonly values: Values;
  /** Cost of encoding and storing them, as bytes written. */
  readonly costBytes: number;
  /** Whether nothing was left out. */
  readonly isWhole: boolean;
  /** To be called when the values are stored. */
  readonly onStored: () => void;
}

/**
 * Encodes the state of a sender as named values of bounded size: one value for what changes often, another for the dead
 * letters. Both are stored together or not at all.
 *
 * @see docs/decisions/0046-bounds-of-what-a-sender-saves.md
 */
export class ValuesOfSender {
  readonly #dispatcher: Dispatcher;
  readonly #incarnations: SenderIncarnations;
  #deadStored: number | null = null;
  #scale = 1;

  constructor(incarnations: SenderIncarnations, dispatcher: Dispatcher) {
    this.#incarnations = incarnations;
    this.#dispatcher = dispatcher;
  }

  /** There was no room for the last values: the next ones are smaller. @returns false if they cannot be made smaller */
  shrink(): boolean {
    if (this.#scale <= SCALE_MIN) return false;
    this.#deadStored = null;
    this.#scale /= 2;
    return true;
  }

  /** There may be room again: back to the full limits. */
  grow(): void {
    this.#deadStored = null;
    this.#scale = 1;
  }

  /** @param change gives the state that will be current when the values are stored */
  make(
    times: { readonly nowMs: number; readonly timeMs: number },
    change: (state: DispatcherState) => DispatcherState,
  ): SavedValues {
    const dispatcher = this.#dispatcher;
    const { version } = dispatcher.dead;
    const before = dispatcher.state(times.nowMs);
    const { dead, ...state } = change(before);
    const saved = { ...state, timeMs: Math.floor(times.timeMs) };
    const { bytes, isWhole } = encodeWithin(saved, STATE_BYTES_MAX * this.#scale);
    const isSame = dead === before.dead && version === this.#deadStored;
    const deadBytes = isSame ? null : encodeDead(dead, DEAD_BYTES_MAX * this.#scale);
    return {
      values: {
        [STATE_NAME]: bytes,
        ...(deadBytes !== null && { [DEAD_NAME]: deadBytes }),
        ...this.#incarnations.values(),
      },
      costBytes: bytes.length + (deadBytes?.length ?? 0) + dispatcher.ranges * RANGE_COST_BYTES,
      isWhole,
      // If `change` changed the dead letters, the dispatcher is told so now, and its `dead` gets a new version.
      onStored: () => {
        this.#incarnations.stored();
        if (dead === before.dead) this.#deadStored = version;
      },
    };
  }
}

/** The stored state of a sender. */
export interface StoredState extends SenderState {
  readonly dead: readonly ValuedRange<DeadLetterRecord>[];
}

/**
 * @returns the stored state; null if there is none, undefined if it is unreadable
 * @throws BrokerlessError `BROKERLESS_VERSION` if another version of this package wrote it
 */
export function readState(journal: Pick<Journal, "get">): StoredState | null | undefined {
  const bytes = journal.get(STATE_NAME);
  if (bytes === null) return null;
  const deadBytes = journal.get(DEAD_NAME);
  checkVersion("state of acknowledgements", bytes, SENDER_STATE_VERSION);
  if (deadBytes !== null) checkVersion("dead letters", deadBytes, DEAD_VERSION);
  const state = decodeSenderState(bytes);
  const dead = deadBytes === null ? [] : decodeDead(deadBytes);
  return state === null || dead === null ? undefined : { ...state, dead };
}

function checkVersion(what: string, bytes: Uint8Array, expected: number): void {
  const version = versionOfState(bytes);
  if (version === 0 || version === expected) return;
  const message =
    `the journal's ${what}: version ${version}, and this package reads ${expected}: ` +
    "let the version that wrote it send what is left, or begin with a new journal";
  throw new BrokerlessError("BROKERLESS_VERSION", message);
}
