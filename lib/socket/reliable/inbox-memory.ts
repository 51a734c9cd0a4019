import { decodeWindowState, encodeWindowState } from "../../delivery/saved-state.ts";
import type { WindowState } from "../../delivery/window-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";

/** In front of a stream's id: the names of the memory in an inbox. */
const NAME = "in-";
/** Who the receiver is, across restarts. */
const RECEIVER_NAME = "receiver";

/**
 * A receiver's memory across restarts: what it has done of each stream, and who it is, as named values of a
 * journal. An effect that a program appends to the same journal is a record of its own.
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

  /** @returns resolves when it is stored at the journal's sync level */
  async remember(stream: string, state: WindowState): Promise<void> {
    await this.#journal.set({ [NAME + stream]: encodeWindowState(state) });
  }
}
