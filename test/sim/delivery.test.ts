import assert from "node:assert/strict";
import { test } from "node:test";
import { DeliveryWorld, type WorldOptions } from "../support/delivery-world.ts";

const SEEDS = Number(process.env.SEEDS ?? 40);
const FIRST = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 30));
const STEPS = 400;

async function play(seed: number, options: WorldOptions): Promise<DeliveryWorld> {
  const world = new DeliveryWorld(seed, options);
  await world.run(STEPS);
  return world;
}

function check(
  world: DeliveryWorld,
  promise: { readonly once: boolean; readonly ordered: boolean },
) {
  assert.ok(world.isAtRest, "a message is stuck though everybody is there");
  const seen = new Set<number>();
  let highest = 0;
  for (const { seq } of world.effects) {
    if (promise.once) assert.ok(!seen.has(seq), `${seq} had its effect twice`);
    if (promise.ordered && !seen.has(seq)) assert.ok(seq > highest, `${seq} came after ${highest}`);
    seen.add(seq);
    highest = Math.max(highest, seq);
  }
  for (let seq = 1; seq <= world.journal.seqStored; seq++) {
    assert.ok(seen.has(seq), `${seq} was lost`);
  }
}

const runs = [
  { name: "one receiver", receivers: 1, exclusive: false, receiverCrashes: false },
  { name: "one receiver that is killed", receivers: 1, exclusive: false, receiverCrashes: true },
  { name: "three receivers", receivers: 3, exclusive: false, receiverCrashes: false },
  { name: "exclusive receivers", receivers: 3, exclusive: true, receiverCrashes: false },
] as const;

for (const { name, ...options } of runs) {
  test(`delivery: ${name}, cuts and crashes of the sender: nothing lost, done once, in order (seeds from ${FIRST})`, async () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const world = await play(seed, { ...options, prefetch: 1 + (seed % 7) });
      try {
        check(world, {
          // An effect that is not stored with the inbox is repeated when a receiver is killed in between.
          once: !options.receiverCrashes && options.receivers === 1,
          ordered: options.receivers === 1 || options.exclusive,
        });
      } catch (error) {
        (error as Error).message += ` (seed ${seed}; ${world.errors.slice(0, 3)})`;
        throw error;
      }
    }
  });
}

test("delivery: the same seed is the same run", async () => {
  const options = { receivers: 2, exclusive: false, receiverCrashes: true, prefetch: 4 };
  const [first, second] = [await play(FIRST, options), await play(FIRST, options)];
  assert.equal(first.trace, second.trace);
});

test("delivery: without the memory of what is done, the run fails (negative control)", async () => {
  const options = { receivers: 1, exclusive: false, receiverCrashes: false, prefetch: 4 };
  let caught = 0;
  for (let seed = FIRST; seed < FIRST + 20; seed++) {
    const world = await play(seed, { ...options, sabotage: "forget done" });
    try {
      check(world, { once: true, ordered: false });
    } catch {
      caught += 1;
    }
  }
  assert.ok(caught > 0);
});
