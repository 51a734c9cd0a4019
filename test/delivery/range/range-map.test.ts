import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RangeMap } from "../../../lib/delivery/range/range-map.ts";

const LAST = 40;
const range = fc
  .tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 1, max: LAST }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const step = fc.record({
  type: fc.constantFrom("set" as const, "take" as const),
  range,
  value: fc.integer({ min: 0, max: 2 }),
});

/** Small ones, so that chunks are split, emptied, and crossed. */
const chunkMax = fc.constantFrom(1, 2, 3, 5, 512);

test("range map: it is a map from seqs to values, in ranges that never touch with equal values", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), range, chunkMax, (steps, asked, most) => {
      const map = new RangeMap<number>(Object.is, most);
      const model = new Map<number, number>();
      for (const { type, range: target, value } of steps) {
        if (type === "set") map.set(target.first, target.last, value);
        const taken = type === "take" ? map.take(target.first, target.last) : [];
        const expected: [number, number][] = [];
        for (let seq = target.first; seq <= target.last; seq++) {
          const before = model.get(seq);
          if (type === "set") model.set(seq, value);
          else if (before !== undefined) {
            expected.push([seq, before]);
            model.delete(seq);
          }
        }
        assert.deepEqual(spread(taken), expected);
        const valued = [...map];
        assert.deepEqual(
          spread(valued),
          [...model].sort(([a], [b]) => a - b),
        );
        assert.equal(map.count, model.size);
        assert.equal(map.size, valued.length);
        assert.deepEqual(map.lowest, valued[0] ?? null);
        assert.deepEqual(map.highest, valued.at(-1) ?? null);
        valued.forEach((one, index) => {
          const next = valued[index + 1];
          if (next === undefined) return;
          assert.ok(next.first > one.last);
          assert.ok(next.first > one.last + 1 || next.value !== one.value);
        });
      }
      for (let seq = 1; seq <= LAST; seq++) assert.equal(map.get(seq), model.get(seq));
      const inside = [...model.keys()].filter((seq) => asked.first <= seq && seq <= asked.last);
      assert.deepEqual(
        spread(map.parts(asked.first, asked.last)).map(([seq]) => seq),
        inside.sort((a, b) => a - b),
      );
      const gaps = map.gaps(asked.first, asked.last).map((gap) => ({ ...gap, value: 0 }));
      const outside = spread(gaps).map(([seq]) => seq);
      assert.equal(outside.length + inside.length, asked.last - asked.first + 1);
      assert.ok(outside.every((seq) => !model.has(seq)));
    }),
    { numRuns: 2_000 },
  );
});

test("range map: a queue of a million ranges takes time in proportion", () => {
  const map = new RangeMap<number>();
  for (let seq = 1; seq <= 1_000_000; seq++) {
    map.set(seq, seq, seq % 2);
    if (seq > 100) map.take(seq - 100, seq - 100);
  }
  assert.equal(map.count, 100);
});

for (const order of ["upwards", "downwards", "from both ends"] as const) {
  test(`range map: every second of 40,000 is taken out and put back ${order} with few moves`, (t) => {
    const map = new RangeMap<number>();
    map.set(1, 40_000, 0);
    let moved = 0;
    const { splice } = Array.prototype;
    const whole = { value: splice, writable: true, configurable: true };
    t.after(() => Object.defineProperty(Array.prototype, "splice", whole));
    const counted = function (this: unknown[], ...args: unknown[]): unknown[] {
      const before = this.length;
      const result = Reflect.apply(splice, this, args);
      moved += this.length === before ? 0 : before - Number(args[0]);
      return result;
    };
    Object.defineProperty(Array.prototype, "splice", { ...whole, value: counted });
    const count = 8_000;
    const seqs = Array.from({ length: count }, (_, index) => 2 + 4 * index);
    if (order === "downwards") seqs.reverse();
    if (order === "from both ends") {
      seqs.forEach((seq, index) => {
        if (index % 2 === 1 && index < count / 2) {
          seqs[index] = seqs[count - index]!;
          seqs[count - index] = seq;
        }
      });
    }
    for (const seq of seqs) assert.equal(map.take(seq, seq).length, 1);
    assert.deepEqual([map.size, map.count], [count + 1, 32_000]);
    for (const seq of seqs) map.set(seq, seq, 1);
    assert.equal(map.size, 2 * count + 1);
    for (const seq of seqs) map.set(seq, seq, 0);
    assert.deepEqual([...map], [{ first: 1, last: 40_000, value: 0 }]);
    assert.ok(moved < 4 * count * 600, `${moved} ranges were moved`);
  });
}

function spread(
  valued: readonly { readonly first: number; readonly last: number; readonly value: number }[],
): [number, number][] {
  return valued.flatMap(({ first, last, value }) =>
    Array.from({ length: last - first + 1 }, (_, index): [number, number] => [
      first + index,
      value,
    ]),
  );
}
