import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { Pull, Push, type ReliableDelivery, type ReliablePull } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";

type Forgetful = (pull: ReliablePull<string>) => Promise<unknown>;

/** Ways to take a delivery and never answer for it. */
const WAYS: Readonly<Record<string, Forgetful>> = {
  "an iterator that nobody asks again": (pull) => pull.deliveries().next(),
  "a loop left with break": async (pull) => {
    for await (const _ of pull.deliveries()) break;
  },
  "a stream destroyed with a full buffer": async (pull) => {
    const stream = Readable.from(pull.deliveries());
    await new Promise((resolve) => stream.once("readable", resolve));
    stream.destroy();
  },
};

for (const [name, forget] of Object.entries(WAYS)) {
  test(`forgotten deliveries: ${name}: they are shown again behind their lease`, async (t) => {
    const push = open(t, new Push<string>({ reliable: true, leaseMs: 100 }));
    const pull = open(t, new Pull<string>({ reliable: true }));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    const processed = ["a", "b", "c"].map((value) => push.send(value, { confirm: "processed" }));
    await forget(pull);
    const got: string[] = [];
    void (async () => {
      for await (const delivery of pull.deliveries()) {
        got.push(`${delivery.value}${delivery.attempt > 1 ? " again" : ""}`);
        delivery.ack();
      }
    })();
    await Promise.all(processed);
    assert.ok(got.includes("a again"), `${got}`);
    assert.deepEqual(got.map((text) => text[0]).sort(), ["a", "b", "c"]);
  });
}

test("forgotten deliveries: one that nobody ever answers for becomes a dead letter", async (t) => {
  const push = open(t, new Push<string>({ reliable: true, leaseMs: 100, attemptsMax: 3 }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const dead = push.once("deadLetter");
  await push.send("a");
  const attempts: number[] = [];
  void (async () => {
    for await (const { attempt } of pull.deliveries()) attempts.push(attempt);
  })();
  let losses = 0;
  const forEver = new Promise<never>((_, reject) => {
    pull.on("leaseLost", () => {
      losses += 1;
      if (losses === 6) reject(new Error(`lost 6 times, and begun ${attempts.length} times`));
    });
  });
  assert.match((await Promise.race([dead, forEver])).reason, /lease ended/);
  assert.deepEqual(attempts, [1, 2, 3]);
});

test("forgotten deliveries: of a message shown twice the first answer counts, whoever gives it", async (t) => {
  const push = open(t, new Push<string>({ reliable: true, leaseMs: 100 }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const processed = push.send("a", { confirm: "processed" });
  const deliveries = pull.deliveries();
  const shown: ReliableDelivery<string>[] = [];
  for (let times = 0; times < 2; times++) shown.push((await deliveries.next()).value!);
  const [first, second] = shown as [ReliableDelivery<string>, ReliableDelivery<string>];
  assert.deepEqual([first.id, first.attempt], [second.id, second.attempt - 1]);
  first.ack();
  await processed;
  second.nack();
  await pull.drain();
  await push.drain();
  assert.equal(push.stats().messagesSent, 1);
});

test("forgotten deliveries: what a former delivery has acknowledged is passed over, in the middle of a batch too", async (t) => {
  const push = open(t, new Push<string>({ reliable: true, leaseMs: 100 }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const processed = Array.from({ length: 64 }, () => push.send("a", { confirm: "processed" }));
  const deliveries = pull.deliveries();
  const former: ReliableDelivery<string>[] = [];
  while (former.length < 64) former.push((await deliveries.next()).value!);
  for (let times = 0; times < 20; times++) await deliveries.next();
  for (const delivery of former) delivery.ack();
  await push.send("b");
  assert.equal((await deliveries.next()).value!.value, "b");
  await Promise.all(processed);
});

test("forgotten deliveries: a handler and a loop at work are shown nothing twice", async (t) => {
  const push = open(t, new Push<string>({ reliable: true, leaseMs: 100 }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const losses = new Map<number, number>();
  pull.on("leaseLost", ({ seqFirst, seqLast }) => {
    for (let seq = seqFirst; seq <= seqLast; seq++) {
      losses.set(seq, (losses.get(seq) ?? 0) + 1);
    }
  });
  const begun: string[] = [];
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const work = async (value: string): Promise<void> => {
    begun.push(value);
    await finished;
  };
  void pull.run(work);
  void (async () => {
    for await (const value of pull) await work(value);
  })();
  void (async () => {
    for await (const batch of pull.batches()) for (const value of batch) await work(value);
  })();
  const processed: Promise<void>[] = [];
  for (const value of ["a", "b", "c"]) {
    processed.push(push.send(value, { confirm: "processed" }));
    await eventually(() => assert.equal(begun.length, processed.length));
  }
  // Another one is free, and would be shown what comes again.
  void (async () => {
    for await (const value of pull) await work(value);
  })();
  // Each has lost its lease and has come again, since it is lost once more.
  const haveComeAgain = () => losses.size === 3 && [...losses.values()].every((count) => count > 1);
  await eventually(() => assert.ok(begun.length > 3 || haveComeAgain()));
  assert.deepEqual(begun.sort(), ["a", "b", "c"]);
  finish();
  await Promise.all(processed);
  assert.deepEqual(begun.sort(), ["a", "b", "c"]);
});
