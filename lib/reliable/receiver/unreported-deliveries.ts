import { type DecodedBatch, seqAt } from "./decoded-batch.ts";
import type { Held } from "./unacked.ts";

/** Messages delivered before their senders get a report of those in flight; plus at most one batch (count). */
export const UNREPORTED_MAX = 16_384;
/** The same limit while a sender tries to find out which message its receivers die of (count). */
export const WATCHED_UNREPORTED_MAX = 1_024;

/**
 * Messages delivered to the application and not yet reported to their senders. At the end of the turn, those still in
 * flight are reported. So a fast consumer costs a flag for each message, and no report at all.
 */
export class UnreportedDeliveries {
  readonly #chunk: () => DecodedBatch<unknown> | null;
  readonly #report: (delivered: readonly Held[]) => void;
  /** Delivered messages, except those of the current chunk. */
  #delivered: Held[] = [];
  #count = 0;
  /** Index of the first value of the current chunk that is not noted for a report. */
  #unreportedIndex = 0;
  #isDue = false;

  /**
   * @param chunk returns the chunk that is being delivered
   * @param report sends the report
   */
  constructor(
    chunk: () => DecodedBatch<unknown> | null,
    report: (delivered: readonly Held[]) => void,
  ) {
    this.#chunk = chunk;
    this.#report = report;
  }

  /**
   * Whether so many messages were delivered in one turn that the report is to be sent now.
   *
   * @param isWatched whether a sender tries to find out which message its receivers die of
   */
  isMuch(isWatched: () => boolean): boolean {
    if (this.#isDue) this.note();
    if (this.#count < WATCHED_UNREPORTED_MAX) return false;
    return this.#count >= UNREPORTED_MAX || isWatched();
  }

  /** The next value of the chunk is delivered. */
  delivered(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#unreportedIndex = this.#chunk()!.index;
    process.nextTick(this.#onTurn);
  }

  /** Another chunk replaces the current one. */
  changed(next: DecodedBatch<unknown> | null): void {
    if (this.#isDue) this.note();
    this.#unreportedIndex = next?.index ?? 0;
  }

  /** Sends the report now. */
  send(): void {
    if (!this.#isDue) return;
    this.note();
    this.#isDue = false;
    const delivered = this.#delivered;
    this.#delivered = [];
    this.#count = 0;
    this.#report(delivered);
  }

  /** Notes the messages delivered of the current chunk. */
  note(): void {
    const chunk = this.#chunk();
    const start = this.#unreportedIndex;
    if (chunk === null || chunk.index <= start) return;
    this.#unreportedIndex = chunk.index;
    this.#count += chunk.index - start;
    // The sender already knows that a guarded message has begun.
    if (chunk.guarded) return;
    const range = { first: seqAt(chunk, start), last: seqAt(chunk, chunk.index - 1) };
    this.#delivered.push({ stream: chunk.stream, range });
  }

  readonly #onTurn = (): void => this.send();
}
