import type { Batch } from "../../batch/batch.ts";
import { type Codec, pieceReader } from "../../codec/codec.ts";
import type { WindowItem } from "../../delivery/window-events.ts";
import { filterIncoming, type Schema } from "../schema.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/** Decoded messages of one batch, in order, and how far they are handed out. */
export interface Chunk<T> {
  readonly stream: ReceiverStream;
  readonly batch: Batch;
  readonly epoch: number;
  readonly attempt: number;
  readonly values: T[];
  /** Seqs of the values where some of the batch are missing; null: from `first` on. */
  readonly seqs: readonly number[] | null;
  readonly first: number;
  readonly last: number;
  /** The next value to be handed out. */
  index: number;
}

/** A message of a batch that the codec could not read. */
export interface Unreadable {
  readonly seq: number;
  readonly reason: string;
}

/** Decodes what lies in an item's range of its batch. Values that cannot be read are left out, and named. */
export function decodeItem(
  item: WindowItem<Batch>,
  codec: Codec<unknown>,
): { readonly values: unknown[]; readonly seqs: number[] | null; readonly bad: Unreadable[] } {
  const values: unknown[] = [];
  const bad: Unreadable[] = [];
  let seqs: number[] | null = null;
  const cursor = item.batch.cursor();
  const decode = pieceReader(codec, cursor.bytes);
  while (cursor.next()) {
    const { seq } = cursor;
    if (seq < item.first) continue;
    if (seq > item.last) break;
    try {
      values.push(decode(cursor.valueStart, cursor.end));
      seqs?.push(seq);
    } catch (error) {
      seqs ??= Array.from({ length: values.length }, (_, index) => item.first + index);
      bad.push({ seq, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { values, seqs, bad };
}

/** The seq of the value at `index`. */
export function seqAt(chunk: Pick<Chunk<unknown>, "seqs" | "first">, index: number): number {
  return chunk.seqs === null ? chunk.first + index : chunk.seqs[index]!;
}

/** @returns what is still to be handed out of a chunk, as far as `keep` says so; it is asked in order */
export function keepChunk<T>(chunk: Chunk<T>, keep: (seq: number) => boolean): Chunk<T> {
  const values: T[] = [];
  const seqs: number[] = [];
  for (let index = chunk.index; index < chunk.values.length; index++) {
    const seq = seqAt(chunk, index);
    if (!keep(seq)) continue;
    values.push(chunk.values[index]!);
    seqs.push(seq);
  }
  return { ...chunk, values, seqs, index: 0 };
}

/** @returns the chunk with the values that fit the schema; `onRefused` is told of the others */
export async function checkChunk<T>(
  schema: Schema,
  chunk: Chunk<unknown>,
  onRefused: (seq: number, reason: string) => void,
): Promise<Chunk<T>> {
  const values: T[] = [];
  const seqs: number[] = [];
  for (let index = 0; index < chunk.values.length; index++) {
    const seq = seqAt(chunk, index);
    let reason: string | null = null;
    const [value] = await filterIncoming<T>(schema, [chunk.values[index]], (error) => {
      reason = error.message;
    });
    if (reason !== null) onRefused(seq, reason);
    else {
      values.push(value as T);
      seqs.push(seq);
    }
  }
  return { ...chunk, values, seqs };
}
