import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ExactSum } from "../../examples/flights/exact-sum.ts";

/** Doubles below 2^60 that are multiples of 2^-60: their sums are exact as whole numbers of 2^-60. */
const number = fc
  .tuple(fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), fc.integer({ min: -30, max: 30 }))
  .map(([mantissa, exponent]) => mantissa * 2 ** exponent);

test("exact-sum: gives the double nearest to the true sum", () => {
  fc.assert(
    fc.property(fc.array(number), (numbers) => {
      const sum = new ExactSum();
      let scaled = 0n;
      for (const value of numbers) {
        sum.add(value);
        scaled += toScaled(value);
      }
      const result = sum.value();
      assert.ok(result !== null);
      const error = abs(scaled - toScaled(result));
      for (const neighbour of [nextUp(result), -nextUp(-result)]) {
        assert.ok(error <= abs(scaled - toScaled(neighbour)), `${result} for ${numbers}`);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("exact-sum: order and grouping make no difference", () => {
  const anyDouble = fc.double({ noNaN: true });
  fc.assert(
    fc.property(fc.array(anyDouble), fc.array(fc.nat()), (numbers, cuts) => {
      const whole = new ExactSum();
      for (const value of numbers) whole.add(value);

      const merged = new ExactSum();
      const backwards = numbers.toReversed();
      for (const cut of [...cuts, numbers.length]) {
        const part = new ExactSum();
        for (const value of backwards.splice(0, cut)) part.add(value);
        merged.merge(part.snapshot());
      }
      assert.equal(merged.value(), whole.value());
    }),
    { numRuns: 2_000 },
  );
});

test("exact-sum: plain addition would fail these tests", () => {
  const numbers = [1e16, 1, -1e16];
  const sum = new ExactSum();
  for (const value of numbers) sum.add(value);
  assert.equal(sum.value(), 1);
  assert.notEqual(
    numbers.reduce((a, b) => a + b, 0),
    1,
  );
});

test("exact-sum: a number too large to add makes the sum unknown, in any order", () => {
  for (const numbers of [
    [1e308, 1e308, -1e308],
    [-1e308, 1e308, 1e308],
    [Number.POSITIVE_INFINITY],
  ]) {
    const sum = new ExactSum();
    for (const value of numbers) sum.add(value);
    assert.equal(sum.value(), null);
  }
});

/** A multiple of 2^-1074, which every double is, as a whole number. */
function toScaled(value: number): bigint {
  let mantissa = value;
  let exponent = 0;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    exponent++;
  }
  return BigInt(mantissa) << BigInt(1074 - exponent);
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** The next larger double. */
function nextUp(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value === 0 ? 0 : value);
  const bits = view.getBigInt64(0);
  view.setBigInt64(0, value < 0 ? bits - 1n : bits + 1n);
  return view.getFloat64(0);
}
