import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ReadableStream, WritableStream } from "node:stream/web";
import { test } from "node:test";
import { Pull, Push, type ReliablePull, raw } from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { open, range, take } from "../support/fixtures.ts";

/** A sender and a receiver over tcp, with or without acknowledgements. */
async function pair<T>(
  t: Parameters<typeof open>[0],
  options: { readonly reliable?: boolean } = {},
): Promise<{ push: Push<T>; pull: Pull<T>; address: string }> {
  const push = open(t, new Push<T>(options));
  const pull = open(t, new Pull<T>(options));
  const address = await push.bind("tcp://127.0.0.1:*");
  pull.connect(address);
  await push.ready();
  return { push, pull, address };
}

for (const reliable of [false, true]) {
  const kind = reliable ? "with an ack layer" : "plain";
  eachTransport(
    `readable: a stream relays whole and in order, ${kind}`,

    async (t, wire) => {
      const source = open(t, new Push<number>({ reliable }));
      const into = open(t, new Pull<number>({ reliable }));
      const from = open(t, new Push<number>({ reliable }));
      const sink = open(t, new Pull<number>({ reliable }));
      await wire.join(source, into);
      await wire.join(from, sink);
      const double = new Transform({
        objectMode: true,
        transform: (value, _encoding, done) => done(null, value * 2),
      });
      const relayed = pipeline(Readable.from(into), double, from.writable());
      const received: number[] = [];
      const run = sink.run((value) => received.push(value));
      await pipeline(range(2_000), source.writable());
      await eventually(() => assert.equal(received.length, 2_000));
      assert.deepEqual(
        received,
        range(2_000).map((value) => value * 2),
      );
      // The end of the loop is the end of the stream, which has finished when everything has arrived.
      await into.close();
      await relayed;
      await sink.close();
      await run;
    },
  );

  test(`readable: destroyed, it leaves the socket open and the rest to others, ${kind}`, async (t) => {
    const { push, pull } = await pair<number>(t, { reliable });
    for (const value of range(100)) await push.send(value);
    const seen: number[] = [];
    for await (const value of Readable.from(pull)) {
      seen.push(value);
      if (value === 9) break;
    }
    assert.deepEqual(seen, range(10));
    assert.equal(pull.status, "open");
    const next = await pull.receive();
    // Plain, what was in the stream's own buffer is gone with it; with an ack layer it comes again.
    if (reliable) assert.equal(next, 10);
    else assert.ok(next >= 10 && next <= 12, `${next}`);
    const rest = await take(pull, 99 - next);
    assert.deepEqual(rest, range(100).slice(next + 1));
  });

  test(`readable: destroyed with an error while it waits, it takes nothing more, ${kind}`, async (t) => {
    const { push, pull } = await pair<number>(t, { reliable });
    const stream = Readable.from(pull);
    const failed = once(stream, "close").catch((error: unknown) => error);
    stream.on("error", () => {});
    stream.resume();
    await turn();
    stream.destroy(new RangeError("enough"));
    await failed;
    await push.send(1);
    assert.equal(await pull.receive(), 1);
  });
}

test("readable: a stream that nobody reads holds back the sender", async (t) => {
  const push = open(
    t,
    new Push<Uint8Array>({ codec: raw(), queueBytesMax: 100_000, peerFramesMax: 1 }),
  );
  const pull = open(t, new Pull<Uint8Array>({ codec: raw(), peerFramesMax: 1 }));
  const address = await push.bind("tcp://127.0.0.1:*");
  pull.connect(address);
  await push.ready();
  const stream = Readable.from(pull);
  let taken = 0;
  const sink = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write: () => {
      taken += 1;
    },
  });
  const piped = pipeline(stream, sink);
  const MIB = Buffer.alloc(2 ** 20);
  const sends: Promise<void>[] = [];
  // More than the kernel keeps for a connection.
  for (const _ of range(64)) sends.push(push.send(MIB));
  await eventually(() => assert.equal(taken, 1));
  await eventually(() => assert.ok(push.stats().waitingSends > 0));
  for (const _ of range(20)) await turn();
  const { messagesReceived } = pull.stats();
  assert.ok(messagesReceived <= 6, `${messagesReceived} were read`);
  sink.destroy();
  await assert.rejects(piped, { code: "ERR_STREAM_PREMATURE_CLOSE" });
  assert.ok(stream.destroyed);
  await push.close();
  await Promise.allSettled(sends);
});

test("readable: a sink that fails destroys the stream, and the socket serves others", async (t) => {
  const { push, pull } = await pair<number>(t, { reliable: true });
  const stream = Readable.from(pull);
  const failing = new Writable({
    objectMode: true,
    highWaterMark: 1,
    write: (value, _encoding, done) => done(value === 3 ? new RangeError("full") : null),
  });
  const piped = pipeline(stream, failing);
  for (const value of range(10)) await push.send(value);
  await assert.rejects(piped, RangeError);
  assert.ok(stream.destroyed);
  const next = await pull.receive();
  assert.ok(next > 3 && next <= 6, `${next}`);
  assert.deepEqual(await take(pull, 9 - next), range(10).slice(next + 1));
});

test("readable: deliveries are acknowledged by whoever has finished with them", async (t) => {
  const { push, pull: either, address } = await pair<number>(t, { reliable: true });
  const pull = either as ReliablePull<number>;
  for (const value of range(50)) await push.send(value);
  const done: number[] = [];
  let begun = 0;
  const stop = new AbortController();
  const piped = Readable.from(pull.deliveries()).forEach(
    async (delivery) => {
      if (delivery.value >= 20) return stop.abort();
      begun += 1;
      await turn();
      done.push(delivery.value);
      delivery.ack();
    },
    { concurrency: 4, signal: stop.signal },
  );
  await assert.rejects(piped, { name: "AbortError" });
  await eventually(() => assert.equal(done.length, begun));
  // What is in the stream's buffers was not finished by anybody: it goes to others.
  await pull.close();
  const other = open(t, new Pull<number>({ reliable: true }));
  other.connect(address);
  const rest = await take(other, 50 - done.length);
  assert.deepEqual(
    [...done, ...rest].sort((a, b) => a - b),
    range(50),
  );
});

test("readable: control: a stream of values acknowledges what is in its buffers", async (t) => {
  const { push, pull: either, address } = await pair<number>(t, { reliable: true });
  const pull = either as ReliablePull<number>;
  for (const value of range(50)) await push.send(value);
  const done: number[] = [];
  const stuck = new Writable({
    objectMode: true,
    highWaterMark: 16,
    write: (value) => {
      done.push(value);
    },
  });
  const piped = pipeline(Readable.from(pull), stuck);
  await eventually(() => assert.equal(stuck.writableLength, 16));
  await pull.close();
  stuck.destroy();
  await assert.rejects(piped);
  const other = open(t, new Pull<number>({ reliable: true }));
  other.connect(address);
  assert.deepEqual(done, [0]);
  const next = await other.receive();
  assert.ok(next >= 15, `${next} is the first to come again`);
});

eachTransport("readable: Web streams relay too, and hold back", async (t, wire) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const received = take(ReadableStream.from(pull) as AsyncIterable<number>, 1_000);
  await ReadableStream.from(range(1_000)).pipeTo(Writable.toWeb(push.writable()));
  assert.deepEqual(await received, range(1_000));
  assert.equal(push.stats().queuedMessages, 0);
  assert.deepEqual([push.status, pull.status], ["open", "open"]);
});

test("readable: a Web stream reads nothing ahead: what it gave is acknowledged when the next is asked for", async (t) => {
  const { push, pull, address } = await pair<number>(t, { reliable: true });
  for (const value of range(10)) await push.send(value);
  const reader = ReadableStream.from(pull).getReader();
  for (const value of range(4)) assert.equal((await reader.read()).value, value);
  // The stream is cancelled before it asks for a fifth: the fourth was not finished.
  await reader.cancel();
  await pull.close();
  const other = open(t, new Pull<number>({ reliable: true }));
  other.connect(address);
  assert.deepEqual(await take(other, 7), range(10).slice(3));
});

test("readable: a Web stream that fails ends the other side", async (t) => {
  const { push, pull } = await pair<number>(t);
  const stream = push.writable();
  const failing = new ReadableStream({
    start: (controller) => controller.error(new RangeError("no more")),
  });
  await assert.rejects(failing.pipeTo(Writable.toWeb(stream)), RangeError);
  assert.ok(stream.destroyed);
  await push.send(1);
  const refusing = new WritableStream({
    write: () => {
      throw new RangeError("full");
    },
  });
  await assert.rejects(ReadableStream.from(pull).pipeTo(refusing), RangeError);
  await push.send(2);
  assert.equal(await pull.receive(), 2);
});
