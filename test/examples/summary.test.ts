import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FlightSummary } from "../../examples/flights/flight-summary.ts";
import type { Summary } from "../../examples/flights/job.ts";
import { ShapeSummary } from "../../examples/flights/shape-summary.ts";
import { findDifference, formatTable } from "../../examples/flights/table.ts";

const flight = fc.record({
  delay: fc.integer({ min: -100, max: 2_000 }),
  distance: fc.integer({ min: 0, max: 5_000 }),
  time: fc.double({ min: 0, max: 24, noNaN: true }),
});

const record = fc.oneof(
  fc.dictionary(fc.string({ maxLength: 2 }), fc.jsonValue()),
  fc.jsonValue(),
  fc.record({ id: fc.string({ minLength: 60, maxLength: 70 }), on: fc.boolean() }),
);

/** Adds the records in another order and grouping, as a pipeline does. */
function inParts<Item, Part>(
  create: () => Summary<Item, Part>,
  records: readonly Item[],
  cuts: readonly number[],
): Summary<Item, Part> {
  const whole = create();
  const left = records.toReversed();
  for (const cut of [...cuts, records.length]) {
    const part = create();
    for (const item of left.splice(0, cut)) part.add(item);
    whole.merge(structuredClone(part.part()));
  }
  return whole;
}

function isIndependentOfOrder<Item, Part>(
  create: () => Summary<Item, Part>,
  items: fc.Arbitrary<Item>,
): void {
  const many = fc.array(items, { maxLength: 200, size: "medium" });
  fc.assert(
    fc.property(many, fc.array(fc.nat(50)), (records, cuts) => {
      const direct = create();
      for (const item of records) direct.add(item);
      const parts = inParts(create, records, cuts);
      assert.equal(findDifference(parts.table(), direct.table()), null);
    }),
    { numRuns: 100 },
  );
}

test("summary: flights come to the same in every order and grouping", () => {
  isIndependentOfOrder(() => new FlightSummary(), flight);
});

test("summary: the shape of records is the same in every order and grouping", () => {
  isIndependentOfOrder(() => new ShapeSummary(), record);
});

test("summary: more fields than are kept are the same ones in every order", () => {
  const records = Array.from({ length: 500 }, (_, index) => ({
    [`f${(index * 7919) % 500}`]: index,
  }));
  const direct = new ShapeSummary();
  for (const each of records) direct.add(each);
  const parts = inParts(() => new ShapeSummary(), records, [3, 250, 1, 100]);
  assert.equal(direct.table().rows.length, 201);
  assert.equal(findDifference(parts.table(), direct.table()), null);
});

test("summary: one flight more or less is a difference", () => {
  const one = { delay: 1, distance: 100, time: 0 };
  const [some, more] = [new FlightSummary(), new FlightSummary()];
  some.add(one);
  more.add(one);
  more.add(one);
  assert.equal(findDifference(some.table(), more.table()), "row 1, flights: 1 instead of 2");
});

test("summary: a table shows no control characters of the file", () => {
  const summary = new ShapeSummary();
  summary.add({ "\u001b[31mred": "\u0007" });
  const text = formatTable(summary.table());
  assert.match(text, /·\[31mred/);
  assert.ok(!text.includes("\u001b"));
  assert.ok(!text.includes("\u0007"));
});

test("summary: a table groups numbers and aligns them", () => {
  const summary = new ShapeSummary();
  for (const price of [1, 2.5, 1_234_567]) summary.add({ price, name: "x" });
  assert.equal(
    formatTable(summary.table()),
    [
      "field          count  types   min        max       mean  distinct",
      "-------------  -----  ------  ---  ---------  ---------  --------",
      "name               3  string                             x",
      "price              3  number    1  1,234,567  411,523.5",
      "(all records)      3",
    ].join("\n"),
  );
});
