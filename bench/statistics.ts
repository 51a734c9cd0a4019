/** The spread over several runs: the worst is never hidden by a mean. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Durations of single operations, of all runs together (microseconds). */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** @throws RangeError for an empty list */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = at(sorted, middle);
  const median = sorted.length % 2 === 1 ? upper : (at(sorted, middle - 1) + upper) / 2;
  return { min: at(sorted, 0), median, max: at(sorted, sorted.length - 1) };
}

/**
 * Percentiles by nearest rank: each figure is a measured duration.
 *
 * @throws RangeError for an empty list
 */
export function percentiles(values: Float64Array): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const rank = (part: number) => at(sorted, Math.max(0, Math.ceil(sorted.length * part) - 1));
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), p999: rank(0.999), max: rank(1) };
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError("no values to take statistics of");
  return value;
}
