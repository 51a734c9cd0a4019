import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BatchEncoder } from "../../lib/batch/batch-encoder.ts";
import {
  BrokerlessError,
  type Codec,
  json,
  msgpack,
  Pull,
  Push,
  type ReliablePull,
  type ReliablePush,
  raw,
} from "../../lib/index.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
import { eventually, turn } from "../support/eventually.ts";
import { World } from "../support/world.ts";

const REFUSED =
  /messages from 1 on .* of codec msgpack, and this socket has codec json: .* open it with codec msgpack until/;

type AnyCodec = Codec<unknown>;

/** A sender of a journal with a codec, and what it reports. */
function sender(world: World, journal: Journal, codec: AnyCodec) {
  const made = new Push<unknown>({ journal, codec, graceMs: 1, attemptsMax: 1 });
  const push = world.socket(made) as ReliablePush<unknown>;
  const errors: BrokerlessError[] = [];
  push.on("error", (error) => void errors.push(error));
  return { push, errors };
}

/** A receiver with the same codec. */
async function receiver(world: World, push: ReliablePush<unknown>, codec: AnyCodec) {
  const made = new Pull<unknown>({ reliable: true, codec });
  const pull = world.socket(made) as ReliablePull<unknown>;
  const got: unknown[] = [];
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  void pull.run((value) => void got.push(value));
  return { pull, got };
}

/** Leaves messages in a journal that nobody has processed. */
async function leave(world: World, journal: Journal, values: readonly unknown[], codec: AnyCodec) {
  const { push } = sender(world, journal, codec);
  for (const value of values) await push.send(value);
  await push.close();
}

/** Has all that is left processed. */
async function empty(world: World, journal: Journal, codec: AnyCodec): Promise<unknown[]> {
  const { push, errors } = sender(world, journal, codec);
  const { pull, got } = await receiver(world, push, codec);
  await eventually(() => assert.equal(push.stats().queuedMessages, 0));
  assert.deepEqual(errors, []);
  await pull.close();
  await push.close();
  return got;
}

async function refuses(t: TestContext, open: (world: World) => () => Promise<Journal>) {
  const world = new World(t);
  const reopen = open(world);
  await leave(world, await reopen(), ["a", "b"], msgpack());
  const journal = await reopen();
  const { push, errors } = sender(world, journal, json());
  const { got } = await receiver(world, push, json());
  // Right at the start, too: nothing of another codec comes behind what is there.
  await assert.rejects(push.send("c"), { code: "BROKERLESS_CODEC", message: REFUSED });
  await assert.rejects(push.drain(), { code: "BROKERLESS_CODEC", message: REFUSED });
  assert.throws(() => push.trySend("c"), { code: "BROKERLESS_CODEC", message: REFUSED });
  assert.deepEqual(
    errors.map(({ code, message }) => [code, REFUSED.test(message)]),
    [["BROKERLESS_CODEC", true]],
  );
  for (let times = 0; times < 20; times++) await turn();
  assert.deepEqual(got, []);
  assert.deepEqual([push.deadLetters.count, push.stats().queuedMessages], [0, 2]);
  await push.close();
  const next = await reopen();
  assert.equal(next.seqStored, 2);
  assert.deepEqual(await empty(world, next, msgpack()), ["a", "b"]);
}

test("former codec: a sender with another codec refuses to start, and loses nothing: memory", (t) => {
  const journal = new MemoryJournal();
  return refuses(t, () => async () => journal);
});

test("former codec: a sender with another codec refuses to start, and loses nothing: file", (t) =>
  refuses(t, (world) => {
    const path = world.directory();
    let last: { close(): Promise<void> } | null = null;
    return async () => {
      await last?.close();
      const opened = await world.journal(path);
      last = opened;
      return opened;
    };
  }));

test("former codec: another codec is fine where all is processed, and nothing is read for that", async (t) => {
  const world = new World(t);
  const memory = new MemoryJournal();
  await leave(world, memory, ["a"], msgpack());
  assert.deepEqual(await empty(world, memory, msgpack()), ["a"]);
  let reads = 0;
  const read: Journal["read"] = (options) => {
    reads += 1;
    return memory.read(options);
  };
  const { push, errors } = sender(world, changed(memory, { read }), json());
  assert.equal(push.trySend("b"), true);
  const { got } = await receiver(world, push, json());
  await eventually(() => assert.deepEqual(got, ["b"]));
  assert.deepEqual([errors.length, reads], [0, 0]);
});

test("former codec: dead letters of another codec stop nobody, and are reported", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const first = sender(world, journal, msgpack());
  const rejecting = world.socket(new Pull<unknown>({ reliable: true }));
  rejecting.connect(await first.push.bind("tcp://127.0.0.1:*"));
  void rejecting.run((_, delivery) => delivery.reject("no"));
  // Its bytes are no JSON.
  await first.push.send({ a: 1 });
  await eventually(() => assert.equal(first.push.deadLetters.count, 1));
  await rejecting.close();
  await first.push.close();
  const { push, errors } = sender(world, journal, json());
  await push.send("b");
  const letters = [];
  for await (const letter of push.deadLetters) letters.push(letter.valueError?.code);
  assert.deepEqual([letters, errors], [["BROKERLESS_CODEC"], []]);
});

test("former codec: what lies before messages of another codec is dispatched, and they are kept", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  await leave(world, journal, ["a"], json());
  const draft = new MemoryJournal();
  await leave(world, draft, ["b"], msgpack());
  // As an earlier version left it, which refused no codec.
  for await (const batch of draft.read().batches()) {
    const encoder = new BatchEncoder({ codec: batch.codec });
    for (const entry of batch) encoder.addEntry(entry);
    await journal.appendDraft(encoder.take());
  }
  const { push, errors } = sender(world, journal, json());
  const { got } = await receiver(world, push, json());
  await eventually(() => assert.deepEqual(got, ["a"]));
  await eventually(() => assert.equal(push.stats().queuedMessages, 1));
  assert.match(errors[0]?.message ?? "", /messages from 2 on/);
  assert.deepEqual([errors.length, push.deadLetters.count], [1, 0]);
  await push.close();
  assert.deepEqual(await empty(world, journal, msgpack()), ["b"]);
});

test("former codec: where the journal cannot be read, messages do not wait for that", async (t) => {
  const world = new World(t);
  const memory = new MemoryJournal();
  await leave(world, memory, ["a"], json());
  const read: Journal["read"] = () => {
    throw new BrokerlessError("BROKERLESS_NO_SPACE", "no file can be opened");
  };
  const { push, errors } = sender(world, changed(memory, { read }), json());
  await push.send("b");
  assert.deepEqual([memory.seqStored, errors[0]?.code], [2, "BROKERLESS_NO_SPACE"]);
});

test("former codec: bytes that a program appended are read by raw()", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  await journal.append(Buffer.from("bytes"));
  const [bytes] = await empty(world, journal, raw() as AnyCodec);
  assert.deepEqual(Buffer.from(bytes as Uint8Array), Buffer.from("bytes"));
});

test("former codec: a sender refused so still sends letters anew and purges them", async (t) => {
  const world = new World(t);
  const journal = new MemoryJournal();
  const first = sender(world, journal, msgpack());
  const rejecting = world.socket(new Pull<unknown>({ reliable: true }));
  rejecting.connect(await first.push.bind("tcp://127.0.0.1:*"));
  void rejecting.run((_, delivery) => delivery.reject("no"));
  for (const value of ["a", "b"]) await first.push.send(value);
  await eventually(() => assert.equal(first.push.deadLetters.count, 2));
  await rejecting.close();
  await first.push.send("c");
  await first.push.close();
  const { push, errors } = sender(world, journal, json());
  await eventually(() => assert.equal(errors.length, 1));
  assert.equal(await push.deadLetters.purge([1]), 1);
  assert.equal(await push.deadLetters.requeue(), 1);
  await push.close();
  assert.deepEqual(await empty(world, journal, msgpack()), ["c", "b"]);
});
