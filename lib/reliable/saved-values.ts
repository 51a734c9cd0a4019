import type { DeadLetterRecord } from "../delivery/dispatch/dead-letter-record.ts";
import type { Dispatcher } from "../delivery/dispatch/dispatcher.ts";
import type { DispatcherState } from "../delivery/dispatch/dispatcher-events.ts";
import type { Segment } from "../delivery/range/range-map.ts";
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
import type { SenderEpochs } from "./sender-epochs.ts";

/** The name under which a journal keeps what its sender knows of acknowledgements. */
export const STATE_NAME = "delivery";
/** The name of its dead letters; written only when they have changed. */
export const DEAD_NAME = "delivery-dead";

/** Most bytes of the first. A journal's named values hold 1 MiB: a quarter is for deduplication ids. */
const STATE_BYTES_MAX = 2 ** 18;
/** Most bytes of the second, as far as texts can be cut. */
const DEAD_BYTES_MAX = 2 ** 18 + 2 ** 17;
/** Going through a range of the tables costs as much as writing so many bytes. */
const RANGE_COST_BYTES = 16;
/** Where others have taken the room, it is tried with less and less, down to this part of it. */
const SCALE_MIN = 1 / 64;

/** What is to be stored. */
export interface SavedValues {
  readonly values: Values;
  /** What it costs to make and to store them, as if it were all bytes to be written. */
  readonly costBytes: number;
  /** Whether nothing had to be left out. */
  readonly isWhole: boolean;
  /** Tells that they are stored. */
  readonly onStored: () => void;
}

/**
 * Makes named values of what a sender knows, within bounds: what changes often is one value, and the dead letters are
 * another, both stored together or not at all.
 *
 * @see docs/decisions/0046-bounds-of-what-a-sender-saves.md
 */
export class ValuesOfSender {
  readonly #dispatcher: Dispatcher;
  readonly #epochs: SenderEpochs;
  #deadStored: number | null = null;
  #scale = 1;

  constructor(epochs: SenderEpochs, dispatcher: Dispatcher) {
    this.#epochs = epochs;
    this.#dispatcher = dispatcher;
  }

  /** There was no room for what was made last: the next is smaller. @returns false: it cannot be made smaller */
  shrink(): boolean {
    if (this.#scale <= SCALE_MIN) return false;
    this.#deadStored = null;
    this.#scale /= 2;
    return true;
  }

  /** There may be room again. */
  grow(): void {
    this.#deadStored = null;
    this.#scale = 1;
  }

  /** @param change what the state will be when the values are stored */
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
        ...this.#epochs.values(),
      },
      costBytes: bytes.length + (deadBytes?.length ?? 0) + dispatcher.ranges * RANGE_COST_BYTES,
      isWhole,
      // Where the change is another, the dispatcher is told of it now, and has a new version.
      onStored: () => {
        this.#epochs.stored();
        if (dead === before.dead) this.#deadStored = version;
      },
    };
  }
}

/** What a sender had stored. */
export interface StoredState extends SenderState {
  readonly dead: readonly Segment<DeadLetterRecord>[];
}

/**
 * @returns what is stored; null where nothing is, undefined where it is unreadable
 * @throws BrokerlessError `BROKERLESS_VERSION` where another version of this package wrote it
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
