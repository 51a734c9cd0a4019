import type { SeqRange } from "../delivery/range/range.ts";
import type { Journal } from "../journal/journal.ts";

/** Estimates the size of a range in a journal, as far as it is kept: the mean size for each entry (bytes). */
export function bytesOf(
  journal: Pick<Journal, "seqFirst" | "stats">,
  { first, last }: SeqRange,
): number {
  const { bytesKept, bytesNeeded = bytesKept, entriesKept } = journal.stats();
  const count = Math.max(0, last + 1 - Math.max(first, journal.seqFirst));
  return Math.round((Math.min(count, entriesKept) * bytesNeeded) / Math.max(1, entriesKept));
}
