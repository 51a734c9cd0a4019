import assert from "node:assert/strict";
import { test } from "node:test";
import { OldestFirst } from "../../../../lib/reliable/receiver/sessions/oldest-first.ts";
import { Random } from "../../../support/random.ts";

test("oldest first: the first is the one that was added before all others, and not deleted since", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = new Random(seed);
  const queue = new OldestFirst<number>();
  let model: number[] = [];
  for (let step = 0; step < 5_000; step++) {
    // Few at a time, so that it is often empty.
    const value = random.below(6);
    if (random.chance(0.5)) {
      queue.add(value);
      if (!model.includes(value)) model.push(value);
    } else {
      queue.delete(value);
      model = model.filter((one) => one !== value);
    }
    if (random.chance(0.7)) assert.equal(queue.first, model[0] ?? null, `seed ${seed}, ${step}`);
    assert.equal(queue.has(value), model.includes(value));
  }
});
