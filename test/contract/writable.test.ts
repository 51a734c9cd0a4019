import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { z } from "zod";
import { Dealer, Publisher, Pull, Push, Router, raw, Subscriber } from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { open, range, take } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const KIB = Buffer.alloc(1_024);

/** Fills the queue of a socket that nobody receives from. */
function filled(push: Push<Uint8Array>): number {
  let count = 0;
  while (push.trySend(KIB)) count += 1;
  return count;
}

/** A program has an error of a stream to itself, and its code. */
const codeOf = async (stream: Writable): Promise<unknown> => {
  const [error] = await once(stream, "error");
  return error.code;
};

eachTransport("writable: a pipeline arrives whole and in order", async (t, wire) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const received = take(pull, 5_000);
  await pipeline(range(5_000), push.writable());
  assert.equal(push.stats().queuedMessages, 0);
  assert.equal(push.status, "open");
  assert.deepEqual(await received, range(5_000));
});

eachTransport("writable: of a dealer, and of a publisher with its topic", async (t, wire) => {
  const dealer = open(t, new Dealer<number>());
  const router = open(t, new Router<number>());
  await wire.join(router, dealer);
  await pipeline(range(100), dealer.writable());
  const routed = await take(router, 100);
  assert.deepEqual(
    routed.map(({ value }) => value),
    range(100),
  );
  const publisher = open(t, new Publisher<{ odd: number; even: number }>());
  const subscriber = open(t, new Subscriber<{ odd: number; even: number }>());
  subscriber.subscribe("odd");
  await wire.join(publisher, subscriber);
  await pipeline([2, 4], publisher.writable("even"));
  await pipeline([1, 3], publisher.writable("odd"));
  assert.deepEqual(await take(subscriber, 2), [
    { topic: "odd", value: 1, headers: {} },
    { topic: "odd", value: 3, headers: {} },
  ]);
  assert.throws(() => publisher.writable("\0" as "odd"), TypeError);
});

eachTransport("writable: it has finished when everything is with ZeroMQ", async (t, wire) => {
  const push = open(t, new Push<number>());
  const address = await push.bind(wire.address());
  const stream = push.writable();
  stream.write(1);
  stream.end(2);
  await eventually(() => assert.equal(stream.writableLength, 0));
  for (const _ of range(5)) await turn();
  assert.equal(stream.writableFinished, false);
  const pull = open(t, new Pull<number>());
  pull.connect(address);
  await once(stream, "finish");
  assert.equal(push.stats().messagesSent, 2);
  assert.deepEqual(await take(pull, 2), [1, 2]);
});

eachTransport(
  "writable: a full queue holds back the source, and loses nothing",
  async (t, wire) => {
    const options = { codec: raw(), queueBytesMax: 20_000 };
    const push = open(t, new Push<Uint8Array>(options));
    const address = await push.bind(wire.address());
    let given = 0;
    function* source(): Generator<Uint8Array> {
      for (; given < 500; given++) yield Buffer.concat([Buffer.from([given >> 8, given]), KIB]);
    }
    const piped = pipeline(source, push.writable({ highWaterMark: 8 }));
    await eventually(() => assert.equal(push.stats().waitingSends, 1));
    for (const _ of range(5)) await turn();
    // What the queue takes, what the stream takes, and what the pipeline has in its hand.
    const { queuedMessages } = push.stats();
    assert.ok(given <= queuedMessages + 8 + 2, `${given} given, ${queuedMessages} in the queue`);
    const pull = open(t, new Pull<Uint8Array>({ codec: raw() }));
    pull.connect(address);
    const received = await take(pull, 500);
    await piped;
    assert.deepEqual(
      received.map((bytes) => bytes[0]! * 256 + bytes[1]!),
      range(500),
    );
  },
);

test("writable: a message that is refused ends both sides, and none behind it is sent", async (t) => {
  const push = open(t, new Push<number>({ schema: z.number().max(9) }));
  const pull = open(t, new Pull<number>());
  const address = await push.bind("tcp://127.0.0.1:*");
  const source = Readable.from([1, 2, 3, 10, 4, 5]);
  const stream = push.writable();
  await assert.rejects(pipeline(source, stream), { code: "BROKERLESS_SCHEMA" });
  assert.ok(source.destroyed && stream.destroyed);
  await push.send(6);
  pull.connect(address);
  assert.deepEqual(await take(pull, 4), [1, 2, 3, 6]);
});

test("writable: a source that fails ends the stream, and what was accepted arrives", async (t) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  const address = await push.bind("tcp://127.0.0.1:*");
  const stream = push.writable();
  const source = async function* () {
    yield* [1, 2, 3];
    await eventually(() => assert.equal(stream.writableLength, 0));
    throw new RangeError("the file ends here");
  };
  await assert.rejects(pipeline(source, stream), RangeError);
  assert.ok(stream.destroyed);
  await push.send(4);
  pull.connect(address);
  assert.deepEqual(await take(pull, 4), [1, 2, 3, 4]);
});

test("writable: destroyed, it takes back what waits for room", async (t) => {
  const push = open(t, new Push<Uint8Array>({ codec: raw(), queueBytesMax: 4_000 }));
  const pull = open(t, new Pull<Uint8Array>({ codec: raw() }));
  const address = await push.bind("tcp://127.0.0.1:*");
  const count = filled(push);
  const stream = push.writable();
  const written = new Promise<unknown>((resolve) => stream.write(Buffer.from("lost"), resolve));
  await eventually(() => assert.equal(push.stats().waitingSends, 1));
  stream.destroy();
  assert.ok((await written) instanceof Error);
  assert.equal(push.stats().waitingSends, 0);
  pull.connect(address);
  await take(pull, count);
  await push.send(Buffer.from("next"));
  assert.equal(String(await pull.receive()), "next");
});

test("writable: a socket that closes ends it, with an error where something was not sent", async (t) => {
  const idle = open(t, new Push());
  const source = new Readable({ objectMode: true, read() {} });
  source.push(1);
  const piped = pipeline(source, idle.writable());
  const unused = idle.writable();
  await eventually(() => assert.equal(idle.stats().queuedMessages, 1));
  await turn();
  await idle.close();
  await assert.rejects(piped, { code: "ERR_STREAM_PREMATURE_CLOSE" });
  assert.ok(unused.destroyed && unused.errored === null);
  assert.throws(() => idle.writable(), { code: "BROKERLESS_CLOSED" });

  const full = open(t, new Push<Uint8Array>({ codec: raw(), queueBytesMax: 4_000 }));
  filled(full);
  const waiting = full.writable();
  waiting.write(KIB);
  await full.close();
  assert.equal(await codeOf(waiting), "BROKERLESS_CLOSED");

  const draining = open(t, new Push());
  const ending = draining.writable();
  ending.end(1);
  await eventually(() => assert.equal(draining.status, "draining"));
  await draining.close();
  assert.equal(await codeOf(ending), "BROKERLESS_CLOSED");
  assert.equal(ending.writableFinished, false);
});

test("writable: with a journal it has finished when all is stored, and shares syncs", async (t) => {
  const world = new World(t);
  const journal = await world.journal();
  const push = world.socket(new Push<number>({ journal }));
  await pipeline(range(2_000), push.writable());
  assert.equal(journal.seqStored, 2_000);
  assert.ok(push.stats().framesSent < 100, `${push.stats().framesSent} batches`);
});

test("writable: it has finished at the level that it was given", async (t) => {
  const push = open(t, new Push<number>({ journal: new MemoryJournal() }));
  const pull = open(t, new Pull<number>({ reliable: true }));
  const address = await push.bind("tcp://127.0.0.1:*");
  const stream = push.writable({ confirm: "processed" });
  for (const value of range(10)) stream.write(value);
  stream.end();
  // The first leaves at once; those behind it will share a round trip.
  await eventually(() => assert.equal(push.stats().queuedMessages, 1));
  assert.equal(stream.writableLength, 10);
  pull.connect(address);
  const run = pull.run(() => {});
  await once(stream, "finish");
  assert.equal(push.stats().messagesSent, 10);
  await pull.close();
  await run;
});

test("writable: a message that no receiver wants ends the stream at the level processed", async (t) => {
  const push = open(t, new Push<number>({ reliable: true, attemptsMax: 1 }));
  const pull = open(t, new Pull<number>({ reliable: true }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const run = pull.run((value) => {
    if (value === 2) throw new Error("not this one");
  });
  const piped = pipeline([1, 2, 3], push.writable({ confirm: "processed" }));
  await assert.rejects(piped, { code: "BROKERLESS_DEAD_LETTER" });
  await pull.close();
  await run;
});

test("writable: a journal that fails ends the stream: nothing is accepted and lost silently", async (t) => {
  const world = new World(t);
  const journal = await world.journal();
  const push = world.socket(new Push<number>({ journal }));
  await journal.close();
  await assert.rejects(pipeline(range(3), push.writable()), { code: "BROKERLESS_CLOSED" });
});

test("writable: a pipeline that runs again adds nothing that was added", async (t) => {
  const journal = new MemoryJournal();
  const push = open(t, new Push<number>({ journal }));
  const options = { deduplicationId: (value: number) => `${value}` };
  await pipeline(range(5), push.writable(options));
  await pipeline(range(8), push.writable(options));
  assert.equal(journal.seqStored, 8);
  const failing = push.writable({
    deduplicationId: () => {
      throw new RangeError("no id");
    },
  });
  await assert.rejects(pipeline(range(1), failing), RangeError);
});

test("writable: of a work queue it has finished when the jobs are on disk", async (t) => {
  const world = new World(t);
  const queue = world.socket(await WorkQueue.open<number>({ directory: world.directory() }));
  await pipeline(range(100), queue.writable());
  assert.equal(queue.stats().unfinished, 100);
  const connect = await queue.bind("tcp://127.0.0.1:*");
  const done: number[] = [];
  const worker = await Worker.start<number>({ connect }, (value) => done.push(value));
  world.socket({ close: async () => void (await worker.close()) });
  await pipeline([100], queue.writable({ confirm: "processed" }));
  await queue.finished();
  assert.deepEqual(
    done.sort((a, b) => a - b),
    range(101),
  );
});

test("writable: what is not an option is a TypeError", (t) => {
  const plain = open(t, new Push());
  const dealer = open(t, new Dealer());
  for (const options of [{ confirm: "stored" }, { deduplicationId: () => "" }] as const) {
    assert.throws(() => plain.writable(options as object), TypeError);
    assert.throws(() => dealer.writable(options as object), TypeError);
  }
  plain.writable({ confirm: "queued" } as object);
  assert.throws(() => plain.writable({ confirm: "read" } as object), TypeError);
  assert.throws(() => plain.writable({ highWaterMark: 0 }), TypeError);
  assert.throws(() => plain.writable({ objectMode: false } as object), TypeError);
});
