import assert from "node:assert/strict";
import { test } from "node:test";
import { DeliveryWorld } from "../support/delivery-world.ts";
import { integerFrom } from "../support/env.ts";
import { RUNS } from "./delivery-runs.ts";

const SEEDS = integerFrom("SEEDS", 1_000);
/** The same ones each time; `npm run simulate` goes on to others. */
const FIRST = integerFrom("SEED", 20_261_120);
const STEPS = 200;
async function play(name: string, seed: number): Promise<DeliveryWorld> {
  const world = new DeliveryWorld(seed, { ...RUNS[name]!, prefetch: 1 + (seed % 7) });
  await world.run(STEPS);
  return world;
}

for (const [index, name] of Object.keys(RUNS).entries()) {
  const count = Math.ceil(SEEDS / Object.keys(RUNS).length);
  test(`delivery: ${name}: nothing is lost, repeated or stuck (seeds ${FIRST} and on)`, async () => {
    for (let seed = FIRST + index * count; seed < FIRST + (index + 1) * count; seed++) {
      const { violations, errors } = await play(name, seed);
      assert.deepEqual(violations, [], `seed ${seed}: ${errors.slice(0, 3)}`);
    }
  });
}

test("delivery: the same seed is the same run", async () => {
  for (const name of Object.keys(RUNS)) {
    const [first, second] = [await play(name, FIRST), await play(name, FIRST)];
    assert.equal(first.trace, second.trace, name);
    assert.notEqual(first.trace, (await play(name, FIRST + 1)).trace, name);
  }
});

test("delivery: a short extension of a lease does not give the message to another (seed 1049509705)", async () => {
  const { violations } = await play("two senders, three receivers", 1_049_509_705);
  assert.deepEqual(violations, []);
});

test("delivery: a sender that dies before an attempt was saved counts fewer than the handler was told (seed 743512460)", async () => {
  const { violations } = await play("one receiver", 743_512_460);
  assert.deepEqual(violations, []);
});

test("delivery: leave to begin one message is no news that the answer to another is saved (seed 20263288)", async () => {
  const { violations } = await play("poison that kills receiver and sender", 20_263_288);
  assert.deepEqual(violations, []);
});
