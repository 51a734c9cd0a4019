import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import { Pull, Push, type ReliablePull } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";
import { countTurns } from "../support/turns.ts";

/** Longer than a reader may go on (milliseconds). */
const WORK_MS = 10;
const MESSAGES = 8;

/** Computes for so long. */
function work(): void {
  const endMs = performance.now() + WORK_MS;
  while (performance.now() < endMs);
}

type Use = (pull: ReliablePull<number>, handle: (value: number) => void) => Promise<unknown>;

/** Every way out of a Pull, with work that never waits for anything. */
const WAYS: Record<string, Use> = {
  "for await": async (pull, handle) => {
    for await (const value of pull) handle(value);
  },
  receive: async (pull, handle) => {
    for (;;) handle(await pull.receive());
  },
  deliveries: async (pull, handle) => {
    for await (const delivery of pull.deliveries()) {
      handle(delivery.value);
      delivery.ack();
    }
  },
  "several loops": (pull, handle) =>
    Promise.all(
      range(3).map(async () => {
        for await (const value of pull) handle(value);
      }),
    ),
  run: (pull, handle) => pull.run(handle),
  "run, 4 at a time": (pull, handle) => pull.run(handle, { concurrency: 4 }),
  "run, more at a time than there are messages": (pull, handle) =>
    pull.run(handle, { concurrency: MESSAGES * 2 }),
  "run, of handlers that await nothing": (pull, handle) =>
    pull.run(async (value) => {
      await null;
      handle(value);
    }),
};

for (const [name, use] of Object.entries(WAYS)) {
  test(`turns: between messages that take long the event loop turns: ${name}`, async (t) => {
    const [sender, receiver] = [
      open(t, new Push<number>({ reliable: true })),
      open(t, new Pull<number>({ reliable: true })),
    ];
    await wireOf(t, "tcp").join(sender, receiver);
    const sent = range(MESSAGES).map((value) => sender.send(value, { confirm: "processed" }));
    await eventually(() => assert.ok(receiver.stats().framesReceived > 0));
    const turns = countTurns(t);
    const turnOf = new Map<number, number>();
    const used = use(receiver, (value) => {
      turnOf.set(value, turns());
      work();
    }).catch(() => {});
    await Promise.all(sent);
    assert.equal(new Set(turnOf.values()).size, MESSAGES, `turns: ${[...turnOf.values()]}`);
    await receiver.close();
    await used;
  });
}

test("turns: between arrays that take long the event loop turns", async (t) => {
  const [sender, receiver] = [
    open(t, new Push<number>({ reliable: true, batch: { batchCountMax: 2 } })),
    open(t, new Pull<number>({ reliable: true })),
  ];
  await wireOf(t, "tcp").join(sender, receiver);
  const sent = range(MESSAGES).map((value) => sender.send(value, { confirm: "processed" }));
  await eventually(() => assert.equal(receiver.stats().framesReceived, MESSAGES / 2));
  const turns = countTurns(t);
  const turnOf: number[] = [];
  const used = (async () => {
    for await (const values of receiver.batches()) {
      turnOf.push(...values.map(turns));
      work();
    }
  })();
  await Promise.all(sent);
  assert.equal(new Set(turnOf).size, MESSAGES / 2, `turns: ${turnOf}`);
  await receiver.close();
  await used;
});
