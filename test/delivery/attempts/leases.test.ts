import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Lease, Leases } from "../../../lib/delivery/attempts/leases.ts";

const LAST = 30;
const range = fc
  .tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 1, max: LAST }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const step = fc.record({
  type: fc.constantFrom("add" as const, "take" as const, "size" as const, "weigh" as const),
  range,
  lease: fc.record(
    {
      attempt: fc.integer({ min: 1, max: 3 }),
      bytesEach: fc.constantFrom(0, 10, 700),
      endMs: fc.constantFrom(50, 60),
    },
    { noNullPrototype: true },
  ),
});

test("leases: they are a map from seqs to leases, and their bytes are always the sum", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const leases = new Leases();
      const model = new Map<number, Lease>();
      for (const { type, range: target, lease } of steps) {
        const { first, last } = target;
        if (type === "add") {
          // What is held already is given back before it is held anew.
          for (const { first: from, last: to } of leases.parts(first, last)) leases.take(from, to);
          leases.add(target, lease);
        }
        if (type === "take") leases.take(first, last);
        if (type === "size") leases.size(target, lease.bytesEach);
        if (type === "weigh") leases.weigh(target, lease.bytesEach);
        for (let seq = first; seq <= last; seq++) {
          const held = model.get(seq);
          if (type === "add") model.set(seq, lease);
          else if (type === "take") model.delete(seq);
          else if (held !== undefined && (type === "weigh" || held.bytesEach === 0)) {
            model.set(seq, { ...held, bytesEach: lease.bytesEach });
          }
        }
        const expected = [...model].sort(([a], [b]) => a - b);
        const held = [...leases].flatMap((part) =>
          Array.from({ length: part.last - part.first + 1 }, (_, index) => [
            part.first + index,
            part.value,
          ]),
        );
        assert.deepEqual(held, expected);
        const bytes = expected.reduce((sum, [, { bytesEach }]) => sum + bytesEach, 0);
        assert.deepEqual([leases.count, leases.bytes], [model.size, bytes]);
        assert.equal(leases.lowest?.first, expected[0]?.[0]);
        assert.equal(leases.highest?.last, expected.at(-1)?.[0]);
        assert.equal(leases.ranges, [...leases].length);
      }
    }),
  );
});

test("leases: those that have ended are taken out, and the next end is known", () => {
  const leases = new Leases();
  for (const [first, last, endMs] of [
    [1, 3, 40],
    [4, 6, 70],
    [7, 9, 60],
  ] as const) {
    leases.add({ first, last }, { attempt: 1, bytesEach: 2, endMs });
  }
  const { ended, nextMs } = leases.takeEnded(60);
  assert.deepEqual(
    ended.map(({ first, last }) => [first, last]),
    [
      [1, 3],
      [7, 9],
    ],
  );
  assert.deepEqual([nextMs, leases.count, leases.bytes], [70, 3, 6]);
});
