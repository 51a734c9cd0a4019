import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KEPT_BYTES_MAX, KEPT_MAX, KeptValues } from "../../../lib/plain/fresh/kept-values.ts";
import { range } from "../../support/fixtures.ts";

const FOREVER = Number.POSITIVE_INFINITY;

/** Values are texts: a topic of one character, and the rest. */
function keep(conflates: boolean, maxAgeMs = FOREVER): KeptValues<string> {
  return new KeptValues<string>({ topicOf: conflates ? (value) => value[0]! : null, maxAgeMs });
}

test("kept values: of each topic the newest is kept, in the place of the first change", () => {
  const kept = keep(true);
  kept.put(["a1", "b1", "a2", "c1"], 40, 0);
  kept.put(["b2", "a3"], 20, 1);
  assert.deepEqual([kept.count, kept.replaced], [3, 3]);
  assert.deepEqual(kept.take(1), ["a3"]);
  kept.put(["a4", "c2"], 20, 2);
  assert.deepEqual(kept.takeAll(2), ["b2", "c2", "a4"]);
  assert.deepEqual([kept.take(2), kept.count, kept.replaced, kept.expired], [[], 0, 4, 0]);
});

test("kept values: without conflation all are kept, in order", () => {
  const kept = keep(false, 10);
  kept.put(["a1", "b1", "a2"], 30, 0);
  kept.put(["a3"], 10, 5);
  assert.deepEqual(kept.take(5), ["a1"]);
  assert.deepEqual(kept.takeAll(5), ["b1", "a2", "a3"]);
  assert.deepEqual([kept.replaced, kept.expired], [0, 0]);
});

test("kept values: what has waited for longer than its time is not delivered, and counted", () => {
  const kept = keep(false, 10);
  kept.put(["a1", "a2"], 20, 0);
  kept.put(["a3"], 10, 5);
  kept.put(["a4"], 10, 15);
  assert.deepEqual(kept.take(10), ["a1"]);
  assert.deepEqual(kept.take(15), ["a3"]);
  assert.equal(kept.expired, 1);
  assert.deepEqual(kept.takeAll(26), []);
  assert.equal(kept.expired, 2);
});

test("kept values: the time of a topic begins anew with its newest value", () => {
  const kept = keep(true, 10);
  kept.put(["a1", "b1"], 20, 0);
  kept.put(["a2"], 10, 8);
  kept.expire(12);
  assert.deepEqual([kept.count, kept.expired, kept.replaced], [1, 1, 1]);
  assert.deepEqual(kept.takeAll(18), ["a2"]);
  // A value that was too old when it was replaced had expired.
  kept.put(["a3"], 10, 20);
  kept.put(["a4"], 10, 31);
  assert.deepEqual([kept.expired, kept.replaced], [2, 1]);
});

test("kept values: it is full by the number of values, or by their bytes, until some are taken or too old", () => {
  const many = keep(false, 10);
  many.put(
    range(KEPT_MAX - 1).map((n) => `a${n}`),
    100,
    0,
  );
  assert.equal(many.isFull, false);
  many.put(["b1"], 1, 5);
  assert.equal(many.isFull, true);
  many.expire(11);
  assert.deepEqual([many.isFull, many.count], [false, 1]);

  const long = keep(true);
  long.put(["a1", "b1"], KEPT_BYTES_MAX - 2, 0);
  assert.equal(long.isFull, false);
  long.put(["a2"], KEPT_BYTES_MAX / 2 - 1, 0);
  assert.equal(long.isFull, false, "what was replaced takes no room");
  long.put(["c1"], 2, 0);
  assert.equal(long.isFull, true);
  long.take(0);
  assert.equal(long.isFull, false);
  long.takeAll(0);
  long.put(["a", "b", "c"], 1, 0);
  assert.equal(long.isFull, false);
});

test("kept values: any calls, compared with a list of all values", () => {
  const call = fc.oneof(
    fc.record({ put: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 8 }) }),
    fc.record({ take: fc.constant(1) }),
    fc.record({ takeAll: fc.constant(1) }),
    fc.record({ pass: fc.integer({ min: 1, max: 20 }) }),
  );
  fc.assert(
    fc.property(fc.array(call, { maxLength: 60 }), fc.boolean(), (calls, conflates) => {
      const kept = keep(conflates, 25);
      let model: { value: string; sinceMs: number }[] = [];
      let nowMs = 0;
      let number = 0;
      let put = 0;
      let delivered = 0;
      const fresh = () => model.filter(({ sinceMs }) => nowMs - sinceMs <= 25);
      const check = (values: string[], expected: string[]) => {
        assert.deepEqual(values, expected);
        delivered += values.length;
      };
      for (const each of calls) {
        if ("pass" in each) nowMs += each.pass;
        else if ("put" in each) {
          const values = each.put.map((topic) => `${topic}:${number++}`);
          put += values.length;
          kept.put(values, 8, nowMs);
          for (const value of values) {
            const former = model.find((other) => conflates && other.value[0] === value[0]);
            if (former === undefined) model.push({ value, sinceMs: nowMs });
            else Object.assign(former, { value, sinceMs: nowMs });
          }
        } else if ("take" in each) {
          const [first] = fresh();
          check(kept.take(nowMs), first === undefined ? [] : [first.value]);
          model = first === undefined ? [] : model.slice(model.indexOf(first) + 1);
        } else {
          check(
            kept.takeAll(nowMs),
            fresh().map(({ value }) => value),
          );
          model = [];
        }
        assert.equal(kept.count, model.length);
        assert.equal(put, delivered + kept.replaced + kept.expired + kept.count);
      }
    }),
  );
});
