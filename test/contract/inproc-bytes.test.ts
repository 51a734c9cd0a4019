import assert from "node:assert/strict";
import { test } from "node:test";
import * as zmq from "zeromq";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { open, range } from "../support/fixtures.ts";

const RAW = { codec: raw() } as const;
/** What zeromq.js copies, what libzmq shares among subscribers, and what is JavaScript memory of the sender. */
const SIZES = [1, 64, 129, 5_000, 100_000];

function isClean(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 1);
}

/** What its receiver does with what it was given. */
function use(bytes: Uint8Array): boolean {
  const wasClean = isClean(bytes);
  bytes.fill(0);
  return wasClean;
}

eachTransport(
  "raw: what a subscriber does with its bytes no other subscriber sees",
  async (t, wire) => {
    const publisher = open(t, new Publisher<{ t: Uint8Array }>(RAW));
    const subscribers = range(3).map(() => open(t, new Subscriber<{ t: Uint8Array }>(RAW)));
    for (const subscriber of subscribers) subscriber.subscribe("t");
    await wire.join(publisher, ...subscribers);
    for (const size of SIZES) {
      await publisher.publish("t", Buffer.alloc(size, 1));
      for (const subscriber of subscribers) {
        assert.ok(use((await subscriber.receive()).value), `${size} bytes`);
      }
    }
  },
);

eachTransport("raw: every attempt sees the bytes that were sent", async (t, wire) => {
  const journal = new MemoryJournal();
  const push = open(t, new Push<Uint8Array>({ ...RAW, journal, retryMs: 1 }));
  const pull = open(t, new Pull<Uint8Array>({ ...RAW, reliable: true }));
  await wire.join(push, pull);
  const seen: boolean[] = [];
  void pull.run((bytes, { attempt }) => {
    seen.push(use(bytes));
    if (attempt < 3) throw new Error("again");
  });
  for (const size of SIZES) await push.send(Buffer.alloc(size, 1), { confirm: "processed" });
  assert.deepEqual(seen, new Array(SIZES.length * 3).fill(true));
});

eachTransport(
  "raw: messages of one frame, questions and answers are the receiver's own",
  async (t, wire) => {
    const push = open(t, new Push<Uint8Array>(RAW));
    const pull = open(t, new Pull<Uint8Array>(RAW));
    const requester = open(t, new Requester<Uint8Array, Uint8Array>(RAW));
    const replier = open(t, new Replier<Uint8Array, Uint8Array>(RAW));
    const router = open(t, new Router<Uint8Array, Uint8Array>(RAW));
    const dealer = open(t, new Dealer<Uint8Array, Uint8Array>(RAW));
    await wire.join(push, pull);
    await wire.join(replier, requester);
    await wire.join(router, dealer);
    const kept: Uint8Array[] = [];
    void replier.serve((bytes) => {
      const answer = Buffer.from(bytes);
      kept.push(answer);
      assert.ok(use(bytes));
      return answer;
    });
    for (const size of SIZES) {
      const own = Buffer.alloc(size, 1);
      void push.send(own);
      void push.send(own);
      assert.ok(use(await pull.receive()) && use(await pull.receive()));
      assert.ok(use(await requester.request(own)));
      await dealer.send(own);
      assert.ok(use((await router.receive()).value));
      assert.ok(isClean(own));
    }
    assert.ok(kept.every(isClean));
  },
);

test("raw: what is read from a MemoryJournal is the reader's", async (t) => {
  const journal = new MemoryJournal();
  t.after(() => journal.close());
  for (const size of SIZES) await journal.append(Buffer.alloc(size, 1));
  for (const _ of range(2)) {
    for await (const { value } of journal.read()) assert.ok(use(value));
  }
});

test("raw: ZeroMQ itself hands over the sender's memory over inproc (control)", async (t) => {
  const [push, pull] = [new zmq.Push(), new zmq.Pull()];
  t.after(() => {
    push.close();
    pull.close();
  });
  await push.bind("inproc://control");
  pull.connect("inproc://control");
  const own = Buffer.alloc(5_000, 1);
  await push.send(own);
  const [got] = await pull.receive();
  got!.fill(0);
  assert.ok(!isClean(own), "it copies now: so need we not");
});
