import assert from "node:assert/strict";
import { test } from "node:test";
import { FreshQueue, type FreshValues } from "../../../lib/plain/fresh/fresh-queue.ts";
import { KEPT_MAX } from "../../../lib/plain/fresh/kept-values.ts";
import { turn } from "../../support/eventually.ts";
import { range } from "../../support/fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A queue of texts, whose first character is the topic, and which come when the test says so. */
function setUp(options: { conflates?: boolean; maxAgeMs?: number } = {}) {
  const { conflates = false, maxAgeMs = Number.POSITIVE_INFINITY } = options;
  const clock = new ManualClock();
  const arrived: FreshValues<string>[] = [];
  let reads = 0;
  let wake = (): void => {};
  let fail: Error | null = null;
  const queue = new FreshQueue<string>({
    clock,
    topicOf: conflates ? (value) => value[0]! : null,
    maxAgeMs,
    async read() {
      reads += 1;
      while (arrived.length === 0 && fail === null) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      const error = fail;
      fail = null;
      if (error !== null) throw error;
      return arrived.shift()!;
    },
  });
  return {
    clock,
    queue,
    reads: () => reads,
    async arrive(...values: string[]) {
      arrived.push({ values, bytes: values.length });
      wake();
      await turn();
      await turn();
    },
    async break() {
      fail = new Error("broken");
      wake();
      await turn();
    },
  };
}

test("fresh queue: what was replaced before it was asked for is not delivered", async () => {
  const { queue, arrive } = setUp({ conflates: true });
  await arrive("a1", "b1");
  await arrive("a2");
  assert.equal(await queue.receive(undefined), "a2");
  await arrive("b2", "a3");
  assert.equal(await queue.receive(undefined), "b2");
  assert.equal(await queue.receive(undefined), "a3");
  assert.equal(queue.replaced, 2);
});

test("fresh queue: a call that has ended takes nothing, so the next one gets the newest", async () => {
  const { queue, arrive } = setUp({ conflates: true });
  await assert.rejects(queue.receive({ timeoutMs: 0 }), { code: "BROKERLESS_TIMEOUT" });
  await arrive("a1");
  await arrive("a2");
  assert.equal(await queue.receive(undefined), "a2");
  const loop = queue.values();
  const pending = loop.next();
  await loop.return!();
  assert.deepEqual(await pending, { done: true, value: undefined });
  await arrive("a3");
  assert.equal(await queue.receive({ timeoutMs: 0 }), "a3");
});

test("fresh queue: what waits for too long is not delivered, by any kind of call", async () => {
  const { clock, queue, arrive } = setUp({ maxAgeMs: 100 });
  await arrive("a1", "a2");
  clock.advance(101);
  await arrive("a3");
  assert.equal(await queue.receive(undefined), "a3");
  await arrive("a4");
  clock.advance(101);
  const next = queue.batches().next();
  await arrive("a5", "a6");
  assert.deepEqual(await next, { done: false, value: ["a5", "a6"] });
  await arrive("a7");
  clock.advance(101);
  const value = queue.values().next();
  await arrive("a8");
  assert.deepEqual(await value, { done: false, value: "a8" });
  assert.equal(queue.expired, 4);
});

test("fresh queue: several consumers get one value each, in the order of their calls", async () => {
  const { queue, arrive } = setUp();
  const calls = [queue.receive(undefined), queue.values().next(), queue.batches().next()];
  await arrive("a1", "a2", "a3", "a4");
  assert.deepEqual(await Promise.all(calls), [
    "a1",
    { done: false, value: "a2" },
    { done: false, value: ["a3", "a4"] },
  ]);
});

for (const conflates of [false, true]) {
  test(`fresh queue: beyond the bound nothing is read until there is room, conflating: ${conflates}`, async () => {
    const { clock, queue, arrive, reads } = setUp({ conflates, maxAgeMs: 100 });
    const character = (n: number) => String.fromCharCode(0x1000 + n);
    await arrive(...range(KEPT_MAX).map(character));
    const before = reads();
    await arrive("y");
    assert.equal(reads(), before);
    await queue.receive(undefined);
    await turn();
    assert.equal(reads(), before + 1);
    await turn();
    await arrive("z");
    // Full again: of age, without a call.
    clock.advance(101);
    await turn();
    await turn();
    assert.equal(queue.expired, KEPT_MAX);
    assert.equal(await queue.receive(undefined), "z");
  });
}

test("fresh queue: a failed read rejects those who wait, and the next call reads again", async () => {
  const { queue, arrive, break: fail } = setUp();
  const waiting = queue.receive(undefined);
  await fail();
  await assert.rejects(waiting, /broken/);
  const next = queue.receive(undefined);
  await arrive("a1");
  assert.equal(await next, "a1");
});

test("fresh queue: its end ends loops, rejects calls, and drops what waits", async () => {
  const { queue, arrive } = setUp();
  const loop = queue.values();
  const waiting = [loop.next(), queue.receive(undefined)];
  queue.close();
  assert.deepEqual(await waiting[0], { done: true, value: undefined });
  await assert.rejects(waiting[1]!, { code: "BROKERLESS_CLOSED" });
  await arrive("a1");
  await assert.rejects(queue.receive(undefined), { code: "BROKERLESS_CLOSED" });
  assert.deepEqual(await queue.batches().next(), { done: true, value: undefined });
  await assert.rejects(queue.receive({ timeoutMS: 1 } as never), TypeError);
});
