import type { MessageRanges } from "../core/events/socket-events.ts";
import type { SeqRange } from "../delivery/range/range.ts";

/** Converts ranges of a stream to the form used in events. Pure. */
export function messageRanges(stream: string, ranges: readonly SeqRange[]): MessageRanges {
  const named = ranges.map(({ first, last }) => ({ seqFirst: first, seqLast: last }));
  return { stream, ranges: named };
}
