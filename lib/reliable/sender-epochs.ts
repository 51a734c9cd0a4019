import { type Epoch, parseEpochs, withEpoch } from "../delivery/protocol/epochs.ts";
import { BrokerlessError } from "../errors.ts";
import { VALUE_EPOCHS } from "../journal/identity.ts";
import type { Journal, Values } from "../journal/journal.ts";

const NOTHING: Values = Object.freeze({});

/**
 * The lives of a sender's stream, of which this process is the newest.
 *
 * The list is the first thing that this life writes: what is left of its messages after whatever loss is in the list.
 * Where the life before has written no message its list is as good, until this one writes something: starts on a full
 * disk, one after the other, take nothing of what little room there is.
 * Where the list is lost (a disk that forgets, a restored backup), the next life has another id, so receivers see where
 * history parted.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export class SenderEpochs {
  /** Oldest first; the last one is this life. */
  readonly all: readonly Epoch[];
  /** What is wrong with the list that was found; null when nothing is. */
  readonly fault: BrokerlessError | null;
  readonly #journal: Journal;
  /** The newest life that is stored owns no message: this one takes its place when it has something to write. */
  readonly #isLate: boolean;
  /** Being written, ahead of whatever is appended from now on. */
  #isBegun = false;
  #isStored = false;

  /** @param id of this life: random (32 hex digits) */
  constructor(journal: Journal, id: string) {
    this.#journal = journal;
    const bytes = journal.get(VALUE_EPOCHS);
    const known = bytes === null ? [] : decodeEpochs(bytes);
    const message = "the journal's list of its stream's epochs is unreadable: a new one begins";
    this.fault = known === null ? new BrokerlessError("BROKERLESS_CORRUPT", message) : null;
    this.#isLate = known?.at(-1)?.seqFirst === journal.seqStored + 1;
    // Not below the journal's own number, which is in its batches.
    const epoch = Math.max((known?.at(-1)?.epoch ?? 0) + 1, journal.epoch);
    this.all = withEpoch(known ?? [], { epoch, id, seqFirst: journal.seqStored + 1 });
  }

  /** Writes the list. Where that fails, the next that is saved or sent has it. */
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

  /** What is to be stored with messages: the list, unless it is on its way; then what fails takes all behind it along. */
  valuesOfMessages(): Values | null {
    return this.#isBegun || this.#isStored ? null : this.values();
  }

  /** What is to be stored with the state: the list until it is stored, then nothing. */
  values(): Values {
    return this.#isStored ? NOTHING : { [VALUE_EPOCHS]: encodeEpochs(this.all) };
  }

  /** What `values` gave is stored. */
  stored(): void {
    this.#isStored = true;
  }
}

/** The lives that a journal's sender has written down; empty where none has. */
export function readEpochs(journal: Pick<Journal, "get">): readonly Epoch[] {
  const bytes = journal.get(VALUE_EPOCHS);
  return (bytes === null ? null : decodeEpochs(bytes)) ?? [];
}

function encodeEpochs(epochs: readonly Epoch[]): Buffer {
  return Buffer.from(JSON.stringify(epochs));
}

function decodeEpochs(bytes: Uint8Array): readonly Epoch[] | null {
  try {
    return parseEpochs(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return null;
  }
}
