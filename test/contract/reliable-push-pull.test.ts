import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BrokerlessError,
  Pull,
  Push,
  type ReliablePull,
  type ReliablePullOptions,
  type ReliablePush,
  type ReliablePushOptions,
} from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { errorsOf, open, range, take } from "../support/fixtures.ts";

function push(options: Omit<ReliablePushOptions<number>, "reliable"> = {}): ReliablePush<number> {
  return new Push<number>({ reliable: true, retryMs: 1, retryMsMax: 4, ...options });
}

function pull(options: Omit<ReliablePullOptions<number>, "reliable"> = {}): ReliablePull<number> {
  return new Pull<number>({ reliable: true, ...options });
}

eachTransport("reliable: every message arrives once, in order", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  for (const value of range(5_000)) void sender.send(value);
  assert.deepEqual(await take(receiver, 5_000), range(5_000));
  assert.deepEqual([...errorsOf(sender), ...errorsOf(receiver)], []);
});

eachTransport("reliable: the sender may bind, and come later", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  for (const value of range(10)) void sender.send(value);
  await wire.join(sender, receiver);
  assert.deepEqual(await take(receiver, 10), range(10));
});

eachTransport("reliable: send confirms when the message was processed", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  let isProcessed = false;
  const processed = sender.send(1, { confirm: "processed" }).then(() => {
    isProcessed = true;
  });
  const messages = receiver[Symbol.asyncIterator]();
  assert.deepEqual(await messages.next(), { done: false, value: 1 });
  await sender.send(2, { confirm: "delivered" });
  assert.equal(isProcessed, false);
  assert.deepEqual(await messages.next(), { done: false, value: 2 });
  await processed;
});

eachTransport("reliable: several receivers share, several senders are heard", async (t, wire) => {
  const receivers = [open(t, pull()), open(t, pull()), open(t, pull())];
  const sender = open(t, push());
  await wire.join(sender, ...receivers);
  const got: number[][] = receivers.map(() => []);
  const all = receivers.map(async (receiver, index) => {
    for await (const value of receiver) got[index]!.push(value);
  });
  await Promise.all(range(90).map((value) => sender.send(value, { confirm: "processed" })));
  assert.deepEqual(
    got.flat().sort((a, b) => a - b),
    range(90),
  );
  for (const share of got) assert.equal(share.length, 30);
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await Promise.all(all);
  const one = open(t, pull());
  const senders = [open(t, push()), open(t, push()), open(t, push())];
  await wire.join(one, ...senders);
  for (const many of senders) for (const value of range(20)) void many.send(value);
  assert.equal((await take(one, 60)).length, 60);
});

eachTransport("reliable: batches are acknowledged when the next is asked for", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  for (const value of range(300)) void sender.send(value);
  const got: number[] = [];
  for await (const values of receiver.batches()) {
    got.push(...values);
    if (got.length === 300) break;
    assert.ok(sender.stats().queuedMessages > 0);
  }
  assert.deepEqual(got, range(300));
});

eachTransport("reliable: a handler that throws gets its message again", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  const attempts: [number, number][] = [];
  const ids = new Set<string>();
  void receiver.run((value, { attempt, id }) => {
    attempts.push([value, attempt]);
    ids.add(id);
    if (value === 3 && attempt < 3) throw new Error("not yet");
  });
  await Promise.all(range(6).map((value) => sender.send(value, { confirm: "processed" })));
  // One receiver: in order, retries included.
  assert.deepEqual(attempts, [
    [0, 1],
    [1, 1],
    [2, 1],
    [3, 1],
    [3, 2],
    [3, 3],
    [4, 1],
    [5, 1],
  ]);
  assert.equal(ids.size, 6);
});

eachTransport(
  "reliable: what is rejected, or fails too often, is a dead letter",
  async (t, wire) => {
    const [sender, receiver] = [open(t, push({ attemptsMax: 2 })), open(t, pull())];
    await wire.join(receiver, sender);
    const dead: number[] = [];
    sender.on("deadLetter", ({ seqFirst }) => dead.push(seqFirst));
    void (async () => {
      for await (const delivery of receiver.deliveries()) {
        if (delivery.value === 1) delivery.reject("no such thing");
        else if (delivery.value === 2) delivery.nack({ delayMs: 0 });
        else delivery.ack();
      }
    })();
    const isDead = (error: unknown) =>
      error instanceof BrokerlessError && error.code === "BROKERLESS_DEAD_LETTER";
    await sender.send(0, { confirm: "processed" });
    await assert.rejects(sender.send(1, { confirm: "processed" }), isDead);
    await assert.rejects(sender.send(2, { confirm: "processed" }), isDead);
    assert.deepEqual(dead, [2, 3]);
    const letters = [];
    for await (const { seq, value, attempts, reason } of sender.deadLetters) {
      letters.push({ seq, value, attempts, reason });
    }
    assert.deepEqual(letters, [
      { seq: 2, value: 1, attempts: 1, reason: "no such thing" },
      { seq: 3, value: 2, attempts: 2, reason: "all attempts failed" },
    ]);
    assert.equal(await sender.deadLetters.requeue([3]), 1);
    await eventually(() => assert.deepEqual(dead, [2, 3, 4]));
    assert.equal(await sender.deadLetters.purge(), 2);
    assert.equal(sender.deadLetters.count, 0);
    await assert.rejects(sender.deadLetters.purge([2]), TypeError);
  },
);

eachTransport("reliable: concurrency is kept, and every message handled once", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull({ prefetch: 50 }))];
  await wire.join(receiver, sender);
  let running = 0;
  let most = 0;
  const got: number[] = [];
  void receiver.run(
    async (value) => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      got.push(value);
      running -= 1;
    },
    { concurrency: 8 },
  );
  await Promise.all(range(200).map((value) => sender.send(value, { confirm: "processed" })));
  assert.equal(most, 8);
  assert.deepEqual(
    got.sort((a, b) => a - b),
    range(200),
  );
});

eachTransport(
  "reliable: what a receiver that closes has not processed goes to others",
  async (t, wire) => {
    const sender = open(t, push());
    const [first, second] = [open(t, pull()), open(t, pull())];
    const address = await wire.join(sender, first);
    for (const value of range(10)) void sender.send(value);
    const messages = first[Symbol.asyncIterator]();
    for (const value of range(4)) assert.deepEqual((await messages.next()).value, value);
    await first.close();
    second.connect(address);
    // The fourth was not acknowledged.
    assert.deepEqual(await take(second, 7), [3, 4, 5, 6, 7, 8, 9]);
  },
);

eachTransport("reliable: receive acknowledges what it gave before", async (t, wire) => {
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  const processed = sender.send(1, { confirm: "processed" });
  assert.equal(await receiver.receive(), 1);
  await assert.rejects(receiver.receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  await processed;
  void sender.send(2);
  assert.equal(await receiver.receive(), 2);
  await receiver.drain();
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});

test("reliable: leaving a loop gives the unacked message back", async (t) => {
  const wire = wireOf(t, "tcp");
  const [sender, receiver] = [open(t, push()), open(t, pull())];
  await wire.join(receiver, sender);
  for (const value of range(3)) void sender.send(value);
  for await (const value of receiver) {
    assert.equal(value, 0);
    break;
  }
  const again = receiver.deliveries();
  const { value: delivery } = await again.next();
  assert.deepEqual([delivery!.value, delivery!.attempt], [0, 2]);
});

test("reliable: a lease that ends lets another work, and the first is told", async (t) => {
  const wire = wireOf(t, "tcp");
  const sender = open(t, push({ leaseMs: 500 }));
  const [slow, other] = [open(t, pull({ prefetch: 1 })), open(t, pull({ prefetch: 1 }))];
  const address = await wire.join(sender, slow);
  void sender.send(7);
  const { value: held } = await slow.deliveries().next();
  const lost: number[] = [];
  slow.on("leaseLost", ({ seqFirst }) => lost.push(seqFirst));
  other.connect(address);
  const { value: taken } = await other.deliveries().next();
  assert.deepEqual([taken!.value, taken!.attempt], [7, 2]);
  assert.equal(taken!.id, held!.id);
  await eventually(() => assert.deepEqual(lost, [1]));
  assert.equal(held!.isHeld, false);
  held!.ack();
  await turn();
  assert.equal(sender.stats().queuedMessages, 1);
  taken!.ack();
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});

test("reliable: extend keeps a lease", async (t) => {
  const wire = wireOf(t, "tcp");
  const sender = open(t, push({ leaseMs: 500 }));
  const [slow, other] = [open(t, pull()), open(t, pull())];
  const address = await wire.join(sender, slow);
  void sender.send(7);
  const { value: held } = await slow.deliveries().next();
  held!.extend(60_000);
  other.connect(address);
  await other.ready();
  await assert.rejects(other.receive({ timeoutMs: 1_500 }), { code: "BROKERLESS_TIMEOUT" });
  held!.ack();
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});

test("reliable: total order gives everything to one, in order, and then to the next", async (t) => {
  const wire = wireOf(t, "tcp");
  const sender = open(t, push({ order: "total" }));
  const [first, second] = [open(t, pull()), open(t, pull())];
  await wire.join(sender, first, second);
  for (const value of range(20)) void sender.send(value);
  const firsts = [first.receive(), second.receive()] as const;
  const isFirst = await Promise.race([firsts[0].then(() => true), firsts[1].then(() => false)]);
  const [active, standby] = isFirst ? [first, second] : [second, first];
  // The first message is answered for by asking for the second, which is unacked at the end.
  assert.equal(await active.receive(), 1);
  await active.close();
  const taken = [await firsts[isFirst ? 1 : 0], ...(await take(standby, 18))];
  assert.deepEqual(taken, range(20).slice(1));
});

test("reliable: bounded memory blocks, rejects, or drops the oldest, as told", async (t) => {
  const fullOf = (options: Omit<ReliablePushOptions<number>, "reliable">) =>
    open(t, push({ backlogMessagesMax: 10, batch: { batchCountMax: 1 }, ...options }));
  const blocking = fullOf({});
  const sent = range(12).map((value) => blocking.send(value));
  await Promise.all(sent.slice(0, 10));
  assert.equal(blocking.stats().waitingSends, 2);
  assert.equal(blocking.trySend(99), false);
  const rejecting = fullOf({ overflow: "reject" });
  for (const value of range(10)) await rejecting.send(value);
  await assert.rejects(rejecting.send(10), { code: "BROKERLESS_FULL" });
  const dropping = fullOf({ overflow: "dropOldest" });
  const dropped: number[] = [];
  dropping.on("dropped", ({ seqFirst, seqLast }) => dropped.push(seqLast - seqFirst + 1));
  for (const value of range(15)) {
    await dropping.send(value);
    await turn();
  }
  assert.equal(
    dropped.reduce((sum, count) => sum + count, 0),
    5,
  );
  const wire = wireOf(t, "tcp");
  const receiver = open(t, pull());
  await wire.join(receiver, dropping);
  assert.deepEqual(await take(receiver, 10), range(15).slice(5));
  const other = open(t, pull());
  await wire.join(other, blocking);
  assert.deepEqual(await take(other, 12), range(12));
  await other.receive();
  await other.drain();
  await Promise.all(sent);
});

test("reliable: options that need an ack layer are refused without one", () => {
  assert.throws(() => new Push({ leaseMs: 100 } as never), TypeError);
  assert.throws(() => new Pull({ prefetch: 10 } as never), TypeError);
  assert.throws(() => new Push({ reliable: true, leaseMs: 1 }), TypeError);
  assert.throws(() => new Push({ journal: {} as never }), TypeError);
  const plain = new Pull();
  assert.throws(() => (plain as ReliablePull).deliveries(), TypeError);
  return plain.close();
});

test("reliable: a socket explains what it promises", async (t) => {
  const failures = (socket: Push | Pull) => socket.explain().map(({ failure }) => failure);
  const sockets = [
    open(t, new Push()),
    open(t, new Push({ reliable: true })),
    open(t, new Pull()),
    open(t, new Pull({ reliable: true })),
  ] as const;
  for (const socket of sockets) {
    assert.ok(failures(socket).length > 0);
    for (const row of socket.explain()) assert.ok(row.lost !== "" && row.duplicated !== "");
  }
  assert.ok(failures(sockets[1]).includes("a receiver is killed"));
});
