import assert from "node:assert/strict";
import { test } from "node:test";
import { PullIterator, type PullSource } from "../../../lib/core/queue/pull-iterator.ts";
import type { Settle } from "../../../lib/wait.ts";

/** A loop over what the test gives it, and who waits for more. */
function setUp(values: readonly number[] = []) {
  const left = [...values];
  const waiting = new Set<Settle<IteratorResult<number, undefined>>>();
  let givenUp = 0;
  const source: PullSource<number> = {
    next: () => (left.length > 0 ? Promise.resolve({ done: false, value: left.shift()! }) : null),
    wait: (settle) => {
      waiting.add(settle);
      return () => waiting.delete(settle);
    },
    giveUp: () => {
      givenUp += 1;
    },
  };
  return { iterator: new PullIterator(source), left, waiting, givenUp: () => givenUp };
}

test("pull iterator: a break leaves what was not handed out, and gives up once", async () => {
  const { iterator, left, givenUp } = setUp([1, 2, 3]);
  for await (const value of iterator) if (value === 2) break;
  assert.deepEqual(left, [3]);
  await iterator.return();
  assert.equal(givenUp(), 1);
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
});

test("pull iterator: who waits at a return gets the end, and takes nothing any more", async () => {
  const { iterator, waiting } = setUp();
  const asked = [iterator.next(), iterator.next()];
  assert.equal(waiting.size, 2);
  await iterator.return();
  for (const one of asked) assert.equal((await one).done, true);
  assert.equal(waiting.size, 0);
});

test("pull iterator: what comes, or fails, reaches who waits", async () => {
  const { iterator, waiting } = setUp();
  const asked = [iterator.next(), iterator.next()];
  const [first, second] = [...waiting];
  first!.resolve({ done: false, value: 7 });
  second!.reject(new Error("broken"));
  assert.deepEqual(await asked[0], { done: false, value: 7 });
  await assert.rejects(asked[1]!, /broken/);
});
