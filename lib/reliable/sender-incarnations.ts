import {
  type Incarnation,
  parseIncarnations,
  withIncarnation,
} from "../delivery/protocol/incarnations.ts";
import { BrokerlessError } from "../errors.ts";
import { VALUE_EPOCHS } from "../journal/identity.ts";
import type { Journal, Values } from "../journal/journal.ts";

const NOTHING: Values = Object.freeze({});

/**
 * The incarnations of a sender's stream; this process is the newest.
 *
 * An incarnation writes the list before anything else, so the list tells which of its messages remain after any loss.
 * If the previous one has written no message, its stored list is good enough until this one writes something: so
 * repeated starts on a full disk do not use up the little room there is. If the list is lost (a disk that loses writes,
 * a restored backup), the next incarnation has another id, so receivers see where the histories diverge.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export class SenderIncarnations {
  /** Oldest first; the last is the current one. */
  readonly all: readonly Incarnation[];
  /** The error if the stored list was unreadable; null otherwise. */
  readonly fault: BrokerlessError | null;
  readonly #journal: Journal;
  /** The newest stored incarnation has no messages: the current one replaces it as soon as something is written. */
  readonly #isLate: boolean;
  /** The list is being written, ahead of everything appended from now on. */
  #isBegun = false;
  #isStored = false;

  /** @param id of the current incarnation: random (32 hex digits) */
  constructor(journal: Journal, id: string) {
    this.#journal = journal;
    const bytes = journal.get(VALUE_EPOCHS);
    const known = bytes === null ? [] : decodeIncarnations(bytes);
    const message = "the journal's list of its stream's epochs is unreadable: a new one begins";
    this.fault = known === null ? new BrokerlessError("BROKERLESS_CORRUPT", message) : null;
    this.#isLate = known?.at(-1)?.seqFirst === journal.seqStored + 1;
    // Not below the journal's own epoch number, which is in its batches.
    const epoch = Math.max((known?.at(-1)?.epoch ?? 0) + 1, journal.epoch);
    this.all = withIncarnation(known ?? [], { epoch, id, seqFirst: journal.seqStored + 1 });
  }

  /** Writes the list. If that fails, the next save of state or append of messages contains it. */
  begin(): void {
    if (this.#isLate) return;
    this.#isBegun = true;
    this.#journal.set(this.values()).then(
      () => this.stored(),
      () => {
        this.#isBegun = false;
      },
    );
  }

  /** The values to store with messages: the list, unless it is being written; a failure fails all behind it. */
  valuesOfMessages(): Values | null {
    return this.#isBegun || this.#isStored ? null : this.values();
  }

  /** The values to store with the state: the list until it is stored, then nothing. */
  values(): Values {
    return this.#isStored ? NOTHING : { [VALUE_EPOCHS]: encodeIncarnations(this.all) };
  }

  /** The result of `values` is stored. */
  stored(): void {
    this.#isStored = true;
  }
}

/** The incarnations in a journal, as its sender stored them; empty if there are none. */
export function readIncarnations(journal: Pick<Journal, "get">): readonly Incarnation[] {
  const bytes = journal.get(VALUE_EPOCHS);
  return (bytes === null ? null : decodeIncarnations(bytes)) ?? [];
}

function encodeIncarnations(incarnations: readonly Incarnation[]): Buffer {
  return Buffer.from(JSON.stringify(incarnations));
}

function decodeIncarnations(bytes: Uint8Array): readonly Incarnation[] | null {
  try {
    return parseIncarnations(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return null;
  }
}
