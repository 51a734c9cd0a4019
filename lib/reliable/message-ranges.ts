import type { MessageRanges } from "../core/events/socket-events.ts";
import type { SeqRange } from "../delivery/range/range.ts";

/** Ranges of a stream as events tell them. Pure. */
export function messageRanges(stream: string, ranges: readonly SeqRange[]): MessageRanges {
  const named = ranges.map(({ first, last }) => ({ seqFirst: first, seqLast: last }));
  return { stream, ranges: named };
}
