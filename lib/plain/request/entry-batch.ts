import { ENTRIES_MAX, entryBytesMax, type FrameEntry } from "./request-frames.ts";

/** Bytes that force a flush. */
const BATCH_BYTES_MAX = 65_536;
/**
 * Gathers requests or replies for one peer into frames: those of one turn of the event loop share a frame, which leaves
 * when it is full or the turn ends. A lone one leaves at once.
 */
export class EntryBatch<E extends FrameEntry = FrameEntry> {
  readonly #write: (entries: readonly E[]) => void;
  #entries: E[] = [];
  #bytes = 0;
  #isTurnOpen = false;

  /** @param write takes the entries of one frame */
  constructor(write: (entries: readonly E[]) => void) {
    this.#write = write;
  }

  /** @param isLone whether it must not wait for others */
  add(entry: E, isLone: boolean): void {
    if (isLone && this.#entries.length === 0) {
      this.#write([entry]);
      return;
    }
    if (!this.#isTurnOpen) {
      this.#isTurnOpen = true;
      setImmediate(this.#endTurn);
    }
    const bytes = entryBytesMax(entry);
    if (this.#bytes + bytes > BATCH_BYTES_MAX) this.flush();
    this.#entries.push(entry);
    this.#bytes += bytes;
    if (this.#entries.length === ENTRIES_MAX) this.flush();
  }

  /** Writes what is gathered. */
  flush(): void {
    const entries = this.#entries;
    if (entries.length === 0) return;
    this.#entries = [];
    this.#bytes = 0;
    this.#write(entries);
  }

  /** @returns whether the entry of this id was gathered, and is not any more */
  remove(id: Buffer): boolean {
    const at = this.#entries.findIndex((entry) => entry.id.equals(id));
    if (at < 0) return false;
    this.#bytes -= entryBytesMax(this.#entries[at]!);
    this.#entries.splice(at, 1);
    return true;
  }

  readonly #endTurn = (): void => {
    this.#isTurnOpen = false;
    this.flush();
  };
}
