import { RangeSet } from "../../delivery/range-set.ts";
import { decodeWindowState, encodeWindowState } from "../../delivery/saved-state.ts";
import type { WindowState } from "../../delivery/window-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal, Values } from "../../journal/journal.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** The effect of a message, to be stored with its acknowledgement. */
export interface Effect {
  readonly seq: number;
  /** The epoch in which the message has its seq. */
  readonly epoch: number;
  /** The delivery's: the key of the entry. */
  readonly id: string;
  readonly effect: Uint8Array;
}

/** In front of a stream's id: the names of the memory in an inbox. */
const NAME = "in-";
/** Who the receiver is, across restarts. */
const RECEIVER_NAME = "receiver";

/**
 * A receiver's memory across restarts: what it has done of each stream, and who it is, as named values of a
 * journal. An effect that goes with an acknowledgement is an entry of that journal, stored with both or not at all.
 */
export class InboxMemory {
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** @returns who this receiver has been since the inbox was made (32 hex digits) */
  receiver(random: () => string): string {
    const known = this.#journal.get(RECEIVER_NAME);
    if (known !== null && known.length === 16) return Buffer.from(known).toString("hex");
    const made = random();
    // Nothing is claimed under this name before something is remembered, and that comes later.
    void this.#journal.set({ [RECEIVER_NAME]: Buffer.from(made, "hex") }).catch(() => {});
    return made;
  }

  /** @throws BrokerlessError BROKERLESS_CORRUPT: what is there is unreadable, and forgetting it would repeat effects */
  recall(stream: string): WindowState | null {
    const bytes = this.#journal.get(NAME + stream);
    if (bytes === null) return null;
    const state = decodeWindowState(bytes);
    if (state !== null) return state;
    const message = `the inbox's memory of stream ${stream} is unreadable`;
    throw new BrokerlessError("BROKERLESS_CORRUPT", message);
  }

  /** Remembers what is done. @returns resolves when it is stored at the journal's sync level */
  async remember(stream: ReceiverStream): Promise<void> {
    await this.#journal.set(valuesOf(stream));
  }

  /** Appends an effect and remembers what is done, `storing` included. @returns resolves when it is stored */
  store(stream: ReceiverStream, { id, effect }: Omit<Effect, "seq" | "epoch">): Promise<number> {
    return this.#journal.append({ key: id, value: effect }, { values: valuesOf(stream) });
  }

  /** Resolves when there is room for an effect. */
  async room(): Promise<void> {
    if (this.#journal.full) await this.#journal.room();
  }
}

/**
 * What is done, and what will be when the effects on their way are stored: a journal stores in order, and nothing
 * behind what fails, so this never says more than the entries before it.
 */
function valuesOf({ id, window, storing }: ReceiverStream): Values {
  const state = window.state();
  if (storing.size === 0) return { [NAME + id]: encodeWindowState(state) };
  const done = new RangeSet();
  done.addAll(state.done);
  for (const [seq, epoch] of storing) {
    if (window.valid({ first: seq, last: seq }, epoch) !== null) done.add(seq, seq);
  }
  return { [NAME + id]: encodeWindowState({ ...state, done: [...done] }) };
}
