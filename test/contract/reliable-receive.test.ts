import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Pull, Push, type ReliablePull, type ReliablePush } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";

async function pair(
  t: TestContext,
): Promise<{ readonly sender: ReliablePush<number>; readonly receiver: ReliablePull<number> }> {
  const sender = open(t, new Push<number>({ reliable: true, leaseMs: 60_000 }));
  const receiver = open(t, new Pull<number>({ reliable: true }));
  await wireOf(t, "tcp").join(sender, receiver);
  return { sender, receiver };
}

/** All that was sent waits at the receiver. */
async function arrived(receiver: Pull<number>): Promise<void> {
  await eventually(() => assert.ok(receiver.stats().framesReceived > 0));
}

test("receive: of several loops one goes on, the others are told, and nothing is acknowledged early", async (t) => {
  const { sender, receiver } = await pair(t);
  const unacked = new Set<number>();
  const early: number[] = [];
  const refused: unknown[] = [];
  /** What is sent while another message is unacked. */
  const BESIDE = 100;
  const loop = async (): Promise<void> => {
    for (let count = 0; count < 2 * 30 + 1; count++) {
      const value = await receiver.receive();
      if (value >= BESIDE) continue;
      unacked.add(value);
      // What the receiver says comes in order: an acknowledgement would be there before this `received`.
      await sender.send(BESIDE + value, { confirm: "delivered" });
      unacked.delete(value);
    }
  };
  const loops = range(3).map(() => loop().catch((error) => refused.push(error)));
  await turn();
  assert.equal(refused.length, 2);
  const sent = range(30).map((value) =>
    sender.send(value, { confirm: "processed" }).then(() => {
      if (unacked.has(value)) early.push(value);
    }),
  );
  await Promise.all(sent);
  for (const error of refused) {
    assert.ok(error instanceof TypeError);
    assert.match(error.message, /run\(\{ concurrency \}\)/);
  }
  assert.deepEqual(early, []);
  await receiver.close();
  await Promise.all(loops);
});

test("receive: a second call in the same turn acknowledges nothing, though messages are there", async (t) => {
  const { sender, receiver } = await pair(t);
  for (const value of range(3)) void sender.send(value);
  await arrived(receiver);
  const [first, second] = await Promise.allSettled([receiver.receive(), receiver.receive()]);
  assert.deepEqual(first, { status: "fulfilled", value: 0 });
  assert.equal(second.status, "rejected");
  // What the receiver says comes in order: an acknowledgement would be there before this `received`.
  await sender.send(3, { confirm: "delivered" });
  assert.equal(sender.stats().messagesSent, 0, "unacked, and acknowledged");
  assert.equal(await receiver.receive(), 1);
  await eventually(() => assert.equal(sender.stats().messagesSent, 1));
});

test("receive: a call that gave up, or was wrong, is over", async (t) => {
  const { sender, receiver } = await pair(t);
  await assert.rejects(receiver.receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  await assert.rejects(receiver.receive({ signal: AbortSignal.abort(new Error("no")) }), /no/);
  await assert.rejects(receiver.receive({ timeoutMs: -1 }), TypeError);
  const stop = new AbortController();
  const given = receiver.receive({ signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(given, /enough/);
  const waiting = receiver.receive();
  // A call that is not over would take the first: then this one gets another.
  for (const value of [7, 8, 9]) await sender.send(value);
  assert.equal(await waiting, 7);
});

test("receive: loops beside it answer for their own messages", async (t) => {
  const { sender, receiver } = await pair(t);
  for (const value of range(4)) void sender.send(value);
  await arrived(receiver);
  const [values, deliveries] = [receiver[Symbol.asyncIterator](), receiver.deliveries()];
  const seen = [await receiver.receive(), (await values.next()).value];
  const { value: delivery } = await deliveries.next();
  seen.push(delivery!.value);
  assert.deepEqual(seen, [0, 1, 2]);
  delivery!.ack();
  await eventually(() => assert.equal(sender.stats().messagesSent, 1));
  assert.equal((await values.next()).value, 3);
  // What the receiver says comes in order: what it has acknowledged is there before this `received`.
  await sender.send(4, { confirm: "delivered" });
  assert.equal(sender.stats().messagesSent, 2);
  await receiver.drain();
  await sender.send(5, { confirm: "delivered" });
  assert.equal(sender.stats().messagesSent, 3);
});
