/** The seqs from `first` to `last`, both included. */
export interface SeqRange {
  readonly first: number;
  readonly last: number;
}

/** @returns how many seqs are in it (count) */
export function countOf(range: SeqRange): number {
  return range.last - range.first + 1;
}

/** @returns how many seqs are in all of them, which do not overlap (count) */
export function countAll(ranges: readonly SeqRange[]): number {
  let count = 0;
  for (const range of ranges) count += range.last - range.first + 1;
  return count;
}
