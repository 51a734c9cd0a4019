import assert from "node:assert/strict";
import { test } from "node:test";
import { percentiles, spread } from "../../bench/statistics.ts";

test("statistics: the median of an even count lies between the middle two", () => {
  assert.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  assert.deepEqual(spread([7]), { min: 7, median: 7, max: 7 });
});

test("statistics: percentiles are measured values at their nearest rank", () => {
  const values = Float64Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  assert.deepEqual(percentiles(values), { p50: 500, p90: 900, p99: 990, p999: 999, max: 1_000 });
  assert.deepEqual(percentiles(Float64Array.of(3)), { p50: 3, p90: 3, p99: 3, p999: 3, max: 3 });
});

test("statistics: nothing measured is an error, not a zero", () => {
  assert.throws(() => spread([]), RangeError);
  assert.throws(() => percentiles(new Float64Array()), RangeError);
});
