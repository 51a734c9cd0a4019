/** The seqs from `first` to `last`, both included. */
export interface SeqRange {
  readonly first: number;
  readonly last: number;
}

/** @returns the number of seqs in the range (count) */
export function countOf(range: SeqRange): number {
  return range.last - range.first + 1;
}

/** @returns the number of seqs in all ranges, which must not overlap (count) */
export function countAll(ranges: readonly SeqRange[]): number {
  let count = 0;
  for (const range of ranges) count += range.last - range.first + 1;
  return count;
}
