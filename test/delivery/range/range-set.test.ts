import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { countAll, type SeqRange } from "../../../lib/delivery/range/range.ts";
import { RangeSet, without } from "../../../lib/delivery/range/range-set.ts";

const LAST = 40;
const range = fc
  .tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 1, max: LAST }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const step = fc.record({ type: fc.constantFrom("add" as const, "delete" as const), range });

function seqs(ranges: Iterable<SeqRange>): number[] {
  return [...ranges].flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}

test("range set: it is a set of seqs, in as few ranges as there can be", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), range, (steps, asked) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const { type, range: target } of steps) {
        const there = seqs([target]).filter((seq) => model.has(seq));
        if (type === "add") set.add(target.first, target.last);
        else assert.deepEqual(seqs(set.delete(target.first, target.last)), there);
        for (const seq of seqs([target])) {
          if (type === "add") model.add(seq);
          else model.delete(seq);
        }
        const expected = [...model].sort((a, b) => a - b);
        assert.deepEqual(seqs(set), expected);
        assert.equal(set.count, model.size);
        assert.equal(set.size, expected.filter((seq) => !model.has(seq - 1)).length);
        assert.equal(set.lowest?.first, expected[0]);
        assert.equal(set.highest?.last, expected.at(-1));
      }
      const inside = seqs([asked]).filter((seq) => model.has(seq));
      assert.deepEqual(seqs(set.parts(asked.first, asked.last)), inside);
      const outside = seqs([asked]).filter((seq) => !model.has(seq));
      assert.deepEqual(seqs(set.gaps(asked.first, asked.last)), outside);
      assert.equal(set.has(asked.first), model.has(asked.first));
      set.clear();
      assert.deepEqual([set.count, set.size, set.lowest], [0, 0, null]);
    }),
  );
});

test("range set: what is in some ranges and in none of others", () => {
  fc.assert(
    fc.property(range, fc.array(range, { maxLength: 8 }), (one, others) => {
      const known = new Set(seqs(others));
      const left = without([one], others);
      const expected = seqs([one]).filter((seq) => !known.has(seq));
      assert.deepEqual(seqs(left), expected);
      assert.equal(countAll(left), expected.length);
    }),
  );
});
