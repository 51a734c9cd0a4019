import assert from "node:assert/strict";
import { test } from "node:test";
import { WaitingItems } from "../../../lib/delivery/window/waiting-items.ts";
import { Random } from "../../support/random.ts";

interface Piece {
  readonly name: number;
  readonly bytes: number;
}

test("waiting items: bytes are those of every batch that something waits of, once each", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = new Random(seed);
  const items = new WaitingItems<Piece>({
    keyOf: ({ name }) => name,
    bytesOf: ({ bytes }) => bytes,
  });
  /** What waits, by seq. */
  const model = new Map<number, Piece>();
  const bytesOf = () => [...new Set(model.values())].reduce((sum, { bytes }) => sum + bytes, 0);
  for (let step = 0; step < 3_000; step++) {
    const roll = random.below(10);
    if (roll < 5) {
      const batch = { name: step, bytes: 1 + random.below(1_000) };
      const first = 1 + random.below(200);
      const range = { first, last: first + random.below(20) };
      for (const gap of items.gaps(range)) {
        items.insert({ ...gap, attempt: 1, guarded: false, batch });
        for (let seq = gap.first; seq <= gap.last; seq++) model.set(seq, batch);
      }
    } else if (roll < 9) {
      const count = 1 + random.below(12);
      const taken = items.take({ count, last: Number.MAX_SAFE_INTEGER });
      for (let seq = taken?.first ?? 1; seq <= (taken?.last ?? 0); seq++) model.delete(seq);
    } else {
      const firsts = [1 + random.below(100), 120 + random.below(100)];
      items.dropAll(firsts.map((first) => ({ first, last: first + 9 })));
      for (const first of firsts) {
        for (let seq = first; seq < first + 10; seq++) model.delete(seq);
      }
    }
    assert.equal(items.count, model.size, `seed ${seed}, step ${step}`);
    assert.equal(items.bytes, bytesOf(), `seed ${seed}, step ${step}`);
  }
  items.clear();
  assert.deepEqual([items.bytes, items.count], [0, 0]);
});
