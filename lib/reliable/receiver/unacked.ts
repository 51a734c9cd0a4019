import type { SeqRange } from "../../delivery/range/range.ts";
import { type DecodedBatch, seqAt } from "./decoded-batch.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";

/** Messages of a batch that an application was given and has not answered for. */
export interface Held {
  readonly stream: ReceiverStream;
  readonly range: SeqRange;
}

/**
 * What one consumer has in its hands: the rest of a batch at most.
 *
 * A seq means a message only together with the epoch of the window that gave it out: where the stream's history
 * parts, seqs are given anew, and an answer to the old messages must not count for those.
 */
export class Unacked {
  #held: (Held & { readonly epoch: number }) | null = null;

  /** The application is given the next value of a chunk. */
  give(chunk: DecodedBatch<unknown>): void {
    const seq = seqAt(chunk, chunk.index);
    this.#held = { stream: chunk.stream, range: { first: seq, last: seq }, epoch: chunk.epoch };
  }

  /** The application is given all that is left of a chunk. */
  giveRest(chunk: DecodedBatch<unknown>): void {
    const range = { first: seqAt(chunk, chunk.index), last: chunk.last };
    this.#held = { stream: chunk.stream, range, epoch: chunk.epoch };
  }

  /** What is in hand of a stream. */
  of(stream: ReceiverStream): readonly SeqRange[] {
    const held = this.#held;
    return held?.stream === stream ? [held.range] : [];
  }

  /** @returns what is in hand and still means those messages, once */
  take(): Held | null {
    const held = this.#held;
    this.#held = null;
    if (held === null) return null;
    const range = held.stream.window.valid(held.range, held.epoch);
    return range === null ? null : { stream: held.stream, range };
  }
}
