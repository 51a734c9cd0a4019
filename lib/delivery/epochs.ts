/** Where an epoch of a stream begins: what an older one said of this seq and later ones is void. */
export interface EpochStart {
  readonly epoch: number;
  readonly seqFirst: number;
}

/** Starts that are remembered one by one (count). */
const STARTS_MAX = 16;

/**
 * Remembers another start. Pure. Of many the oldest are joined with their next, which voids more than it must,
 * never less.
 *
 * @param starts oldest first
 */
export function withStart(starts: readonly EpochStart[], start: EpochStart): readonly EpochStart[] {
  const all = [...starts, start];
  while (all.length > STARTS_MAX) {
    const [oldest, next] = all.splice(0, 2) as [EpochStart, EpochStart];
    all.unshift({ ...next, seqFirst: Math.min(oldest.seqFirst, next.seqFirst) });
  }
  return all;
}

/**
 * The first seq of which what was known in `epoch` does not hold any more; infinite where all holds. Pure.
 *
 * A peer may have missed whole epochs: it is the lowest start of all that came since.
 */
export function voidFrom(starts: readonly EpochStart[], epoch: number): number {
  let seq = Number.POSITIVE_INFINITY;
  for (const start of starts) if (start.epoch > epoch) seq = Math.min(seq, start.seqFirst);
  return seq;
}

/** Pure. @returns null where `value` is no list of starts */
export function parseStarts(value: unknown): readonly EpochStart[] | null {
  if (!Array.isArray(value) || value.length > STARTS_MAX) return null;
  const isWhole = (one: unknown): boolean => Number.isSafeInteger(one) && (one as number) >= 0;
  const sound = (value as readonly Partial<EpochStart>[]).every(
    (start) => isWhole(start?.epoch) && isWhole(start?.seqFirst),
  );
  if (!sound) return null;
  return (value as readonly EpochStart[]).map(({ epoch, seqFirst }) => ({ epoch, seqFirst }));
}
