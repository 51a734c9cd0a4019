import assert from "node:assert/strict";
import { test } from "node:test";
import { countAll } from "../../../lib/delivery/range/range.ts";
import { UnconfirmedAcks } from "../../../lib/delivery/window/unconfirmed-acks.ts";
import { range } from "../../support/fixtures.ts";

const one = (seq: number) => [{ first: seq, last: seq }];

test("said acks: none is known before the sender says so, however many there are", () => {
  const acks = new UnconfirmedAcks();
  for (const seq of range(3_000)) acks.add(one(seq + 1));
  let known = 0;
  for (const said of [10, 1_000, 1_500, 2_999, 3_000]) {
    known += countAll(acks.known(said));
    assert.ok(known <= said, `${known} known of ${said}`);
  }
  assert.equal(known, 3_000);
  acks.add(one(5_000));
  assert.deepEqual(acks.known(3_001), one(5_000));
});

test("said acks: the same said again and again is kept once beyond the bound, and known with the last", () => {
  const acks = new UnconfirmedAcks();
  const ranges = range(8_192).map((index) => ({ first: index * 2 + 1, last: index * 2 + 1 }));
  for (const _ of range(400)) acks.add(ranges);
  assert.equal(acks.known(399).length, 8 * ranges.length, "more is kept one by one than the bound");
  const rest = acks.known(400).map(({ first, last }) => ({ first, last }));
  assert.deepEqual(rest, ranges);
});

test("said acks: what is refused does not become known", () => {
  const acks = new UnconfirmedAcks();
  for (const seq of range(2_000)) acks.add([{ first: seq * 10 + 1, last: seq * 10 + 9 }]);
  acks.refuse([{ first: 3, last: 5 }, ...one(19_995)]);
  const known = acks.known(2_000);
  assert.equal(countAll(known), 2_000 * 9 - 4);
  assert.ok(!known.some(({ first, last }) => first <= 4 && last >= 4));
});
