import type { SeqRange } from "../../delivery/range/range.ts";
import { type DecodedBatch, seqAt } from "./decoded-batch.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";

/** Messages of a batch that the application got and has not settled. */
export interface Held {
  readonly stream: ReceiverStream;
  readonly range: SeqRange;
}

/**
 * The messages in flight at one consumer: the rest of a batch at most.
 *
 * A seq identifies a message only together with the window's version of the stream's history when it dispatched it:
 * where histories diverge, seqs are reused, and an ack of an old message must not count for the new one.
 */
export class Unacked {
  #held: (Held & { readonly historyVersion: number }) | null = null;

  /** The application gets the next value of a chunk. */
  give(chunk: DecodedBatch<unknown>): void {
    const seq = seqAt(chunk, chunk.index);
    this.#held = {
      stream: chunk.stream,
      range: { first: seq, last: seq },
      historyVersion: chunk.historyVersion,
    };
  }

  /** The application gets the rest of a chunk. */
  giveRemainder(chunk: DecodedBatch<unknown>): void {
    const range = { first: seqAt(chunk, chunk.index), last: chunk.last };
    this.#held = { stream: chunk.stream, range, historyVersion: chunk.historyVersion };
  }

  /** The messages of a stream in flight. */
  of(stream: ReceiverStream): readonly SeqRange[] {
    const held = this.#held;
    return held?.stream === stream ? [held.range] : [];
  }

  /** @returns the messages in flight, as far as their seqs are still valid; once */
  take(): Held | null {
    const held = this.#held;
    this.#held = null;
    if (held === null) return null;
    const range = held.stream.window.valid(held.range, held.historyVersion);
    return range === null ? null : { stream: held.stream, range };
  }
}
