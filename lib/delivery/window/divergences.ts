/** A seq at which a stream's history diverged from the one known before: from it on, what was known is invalidated. */
export interface Divergence {
  /** The version of the history that began with it. */
  readonly historyVersion: number;
  readonly seqFirst: number;
}

/** Limit on divergences remembered one by one (count). */
const DIVERGENCES_MAX = 16;

/**
 * Adds a divergence. Pure. If there are too many, the oldest are merged with their successors, which invalidates more
 * than necessary, never less.
 *
 * @param known oldest first
 */
export function withDivergence(
  known: readonly Divergence[],
  next: Divergence,
): readonly Divergence[] {
  const all = [...known, next];
  while (all.length > DIVERGENCES_MAX) {
    const [oldest, second] = all.splice(0, 2) as [Divergence, Divergence];
    all.unshift({ ...second, seqFirst: Math.min(oldest.seqFirst, second.seqFirst) });
  }
  return all;
}

/**
 * The first seq from which on everything known in a version of the history is invalidated; infinite if nothing is.
 * Pure.
 *
 * Whole versions may have been missed, so it is the lowest seq of all divergences since.
 */
export function voidFrom(known: readonly Divergence[], historyVersion: number): number {
  let seq = Number.POSITIVE_INFINITY;
  for (const one of known) {
    if (one.historyVersion > historyVersion) seq = Math.min(seq, one.seqFirst);
  }
  return seq;
}
