import { type DecodedBatch, seqAt } from "./decoded-batch.ts";
import type { Held } from "./unacked.ts";

/** Messages that may be handed out before their senders hear which of them are in hand, but for a batch (count). */
export const HANDED_UNSAID_MAX = 16_384;
/** The same while a sender looks for what its receivers die of (count). */
export const WATCHED_UNSAID_MAX = 1_024;

/**
 * What was handed to the application and its senders have not been told of: they are told at the end of the turn,
 * of what it still has in its hands then. So a fast consumer costs a flag for each message, and no word at all.
 */
export class HandOvers {
  readonly #chunk: () => DecodedBatch<unknown> | null;
  readonly #say: (handed: readonly Held[]) => void;
  /** But for those of the current chunk. */
  #handed: Held[] = [];
  #count = 0;
  /** Index of the first value of the current chunk of which nobody was told. */
  #unsaidIndex = 0;
  #isDue = false;

  /**
   * @param chunk what is being handed out
   * @param say tells the senders
   */
  constructor(chunk: () => DecodedBatch<unknown> | null, say: (handed: readonly Held[]) => void) {
    this.#chunk = chunk;
    this.#say = say;
  }

  /**
   * Whether so much was handed out in one turn that the senders are to be told now.
   *
   * @param isWatched whether one of them looks for what its receivers die of
   */
  isMuch(isWatched: () => boolean): boolean {
    if (this.#isDue) this.note();
    if (this.#count < WATCHED_UNSAID_MAX) return false;
    return this.#count >= HANDED_UNSAID_MAX || isWatched();
  }

  /** The next value of the chunk is handed out. */
  given(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#unsaidIndex = this.#chunk()!.index;
    process.nextTick(this.#onTurn);
  }

  /** Another chunk takes the place of the current one. */
  changed(next: DecodedBatch<unknown> | null): void {
    if (this.#isDue) this.note();
    this.#unsaidIndex = next?.index ?? 0;
  }

  /** Tells the senders now. */
  say(): void {
    if (!this.#isDue) return;
    this.note();
    this.#isDue = false;
    const handed = this.#handed;
    this.#handed = [];
    this.#count = 0;
    this.#say(handed);
  }

  /** Remembers what was handed out of the current chunk. */
  note(): void {
    const chunk = this.#chunk();
    const start = this.#unsaidIndex;
    if (chunk === null || chunk.index <= start) return;
    this.#unsaidIndex = chunk.index;
    this.#count += chunk.index - start;
    // Of a guarded one the sender knows.
    if (chunk.guarded) return;
    const range = { first: seqAt(chunk, start), last: seqAt(chunk, chunk.index - 1) };
    this.#handed.push({ stream: chunk.stream, range });
  }

  readonly #onTurn = (): void => this.say();
}
