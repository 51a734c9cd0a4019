import type { Batch } from "../../batch/batch.ts";
import { type HeaderLimits, type MessageHeaders, NO_HEADERS } from "../../batch/headers.ts";
import { ENTRY_FLAG } from "../../batch/layout.ts";
import { type Codec, pieceReader } from "../../codec/codec.ts";
import { notDecoded, refusePromise } from "../../codec/codec-error.ts";
import { checkElements } from "../../codec/elements.ts";
import { filterIncoming, type Schema } from "../../core/schema.ts";
import type { WindowItem } from "../../delivery/window/window-events.ts";
import { BrokerlessError } from "../../errors.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";

/** Decoded messages of one batch, in order, with the position of the next to deliver. */
export interface DecodedBatch<T> {
  readonly stream: ReceiverStream;
  readonly batch: Batch;
  /** The window's version of the stream's history when it dispatched the batch. */
  readonly historyVersion: number;
  readonly attempt: number;
  readonly guarded: boolean;
  readonly values: T[];
  /** Seqs of the values if some of the batch are missing; null: consecutive from `first` on. */
  readonly seqs: readonly number[] | null;
  /** Headers by seq; null if no message has any. */
  readonly headers: ReadonlyMap<number, MessageHeaders> | null;
  readonly first: number;
  readonly last: number;
  /** Index of the next value to deliver. */
  index: number;
}

/** A message of a batch that the codec could not decode. */
export interface Unreadable {
  readonly seq: number;
  /** The error that a plain socket reports for such a message. */
  readonly error: BrokerlessError;
}

/** Limits on a message, apart from its bytes. */
export interface MessageLimits extends HeaderLimits {
  /** Limit on the elements of a message (count). */
  readonly messageElementsMax: number;
}

/** The result of {@link decodeItem}. */
export interface Decoded {
  readonly values: unknown[];
  readonly seqs: number[] | null;
  readonly headers: ReadonlyMap<number, MessageHeaders> | null;
  readonly bad: Unreadable[];
}

/**
 * Decodes the messages in an item's range of its batch. Values that cannot be decoded are left out, and listed in
 * `bad`; so are those with more elements or headers than the limits allow.
 */
export function decodeItem(
  item: WindowItem<Batch>,
  codec: Codec<unknown>,
  limits: MessageLimits,
): Decoded {
  const { messageElementsMax: elementsMax } = limits;
  let headers: Map<number, MessageHeaders> | null = null;
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
      if (cursor.end - cursor.valueStart > elementsMax) {
        const bytes = cursor.bytes.subarray(cursor.valueStart, cursor.end);
        checkElements(codec, bytes, { elementsMax, what: "message" });
      }
      const value = decode(cursor.valueStart, cursor.end);
      refusePromise("decode", value);
      if ((cursor.flags & ENTRY_FLAG.headers) !== 0) {
        headers ??= new Map();
        headers.set(seq, cursor.entry.headersWithin(limits));
      }
      values.push(value);
      seqs?.push(seq);
    } catch (error) {
      seqs ??= Array.from({ length: values.length }, (_, index) => item.first + index);
      bad.push({ seq, error: isOwn(error) ? error : notDecoded(codec, "message", error) });
    }
  }
  return { values, seqs, headers, bad };
}

/** Whether the error already describes what is wrong. */
function isOwn(error: unknown): error is BrokerlessError {
  if (!(error instanceof BrokerlessError)) return false;
  return error.code === "BROKERLESS_TOO_LARGE" || error.code === "BROKERLESS_PROTOCOL";
}

/** The seq of the value at `index`. */
export function seqAt(chunk: Pick<DecodedBatch<unknown>, "seqs" | "first">, index: number): number {
  return chunk.seqs === null ? chunk.first + index : chunk.seqs[index]!;
}

/** The headers of the message with this seq. */
export function headersAt(
  chunk: Pick<DecodedBatch<unknown>, "headers">,
  seq: number,
): MessageHeaders {
  return chunk.headers?.get(seq) ?? NO_HEADERS;
}

/** @returns the undelivered rest of a chunk, filtered by `keep`, which is called in order */
export function keepDecoded<T>(
  chunk: DecodedBatch<T>,
  keep: (seq: number) => boolean,
): DecodedBatch<T> {
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

/** @returns the chunk with the values that fit the schema; `onRefused` is called for the others */
export async function checkDecoded<T>(
  schema: Schema,
  chunk: DecodedBatch<unknown>,
  onRefused: (seq: number, error: BrokerlessError) => void,
): Promise<DecodedBatch<T>> {
  const values: T[] = [];
  const seqs: number[] = [];
  for (let index = 0; index < chunk.values.length; index++) {
    const seq = seqAt(chunk, index);
    const kept = await filterIncoming<T>(schema, [chunk.values[index]], (error) => {
      onRefused(seq, error);
    });
    if (kept.length === 0) continue;
    values.push(kept[0]!);
    seqs.push(seq);
  }
  return { ...chunk, values, seqs };
}
