import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { Random } from "../support/random.ts";
import { ReliablePair } from "../support/reliable-pair.ts";

/** Messages of a batch, of which a receiver with a prefetch of 8 is sent the first 8 (count). */
const BATCH_COUNT = 20;
/** Messages of a run (count). */
const COUNT = 60;
/** Longer than a back-off and the turn that it takes, and shorter than the pause of a receiver's signs of life. */
const STILL_MS = 200;

test("turns: a message that failed is tried again at the end of its back-off, whatever else takes long", async () => {
  const begun: string[] = [];
  let finish = (): void => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const pair = new ReliablePair(
    new MemoryJournal(),
    (text, delivery) => {
      begun.push(`${text}#${delivery.attempt}`);
      if (text === "7" && delivery.attempt === 1) throw new Error("fails");
      return done;
    },
    { rules: { order: "none", retryMs: 2 }, prefetch: 8, concurrency: 8 },
  );
  for (let sent = 0; sent < BATCH_COUNT; sent++) pair.send(`${sent}`);
  await pair.pass(STILL_MS);
  assert.deepEqual(begun.slice(7), ["7#1", "7#2"]);
  finish();
  await pair.pass(STILL_MS);
  assert.equal(pair.sender.stats().queuedMessages, 0);
  pair.kill();
});

for (const order of ["perReceiver", "total"] as const) {
  test(`turns: a queue whose handlers fail goes on at the end of each back-off, not with the next sign of life (${order})`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Random(seed);
      const prefetch = 1 + random.below(16);
      const concurrency = 1 + random.below(4);
      const begun: string[] = [];
      const pair = new ReliablePair(
        new MemoryJournal(),
        (text, delivery) => {
          begun.push(`${text}#${delivery.attempt}`);
          if (random.next() < 0.3) throw new Error("fails");
          if (random.next() < 0.1) delivery.reject("unwanted");
        },
        { rules: { order, retryMs: 2, attemptsMax: 3 }, prefetch, concurrency },
      );
      for (let sent = 0; sent < COUNT; ) {
        for (let burst = 1 + random.below(20); burst > 0 && sent < COUNT; burst--) {
          pair.send(`${sent++}`);
        }
        await pair.pass(10);
      }
      let moved = -1;
      for (let stillMs = 0; pair.sender.stats().queuedMessages > 0; stillMs += 10) {
        const how = JSON.stringify({ seed, prefetch, concurrency, begun: begun.slice(-6) });
        assert.ok(stillMs < STILL_MS, how);
        await pair.pass(10);
        if (begun.length > moved) stillMs = 0;
        moved = begun.length;
      }
      pair.kill();
    }
  });
}
