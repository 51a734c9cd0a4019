import assert from "node:assert/strict";
import { test } from "node:test";
import {
  json,
  msgpack,
  Pull,
  type PullOptions,
  Push,
  type PushOptions,
  Replier,
  Requester,
  raw,
} from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open, take } from "../support/fixtures.ts";

const MAX = 10_000;
const TOO_LARGE = { name: "BrokerlessError", code: "BROKERLESS_TOO_LARGE" } as const;

/** A value whose encoding has exactly so many bytes. */
const EXACTLY = {
  raw: { codec: raw(), value: (bytes: number): unknown => Buffer.alloc(bytes, 7) },
  json: { codec: json(), value: (bytes: number): unknown => "x".repeat(bytes - 2) },
  msgpack: { codec: msgpack(), value: (bytes: number): unknown => "x".repeat(bytes - 3) },
} as const;

const WAYS: Readonly<Record<string, PushOptions<unknown> & PullOptions<unknown>>> = {
  batched: {},
  "batch: false": { batch: false },
  reliable: { reliable: true },
};

for (const [name, { codec, value }] of Object.entries(EXACTLY)) {
  for (const [way, options] of Object.entries(WAYS)) {
    test(`limits: messageBytesMax is the length of the encoding alone (${name}, ${way})`, async (t) => {
      const both = { ...options, codec: codec as never, messageBytesMax: MAX };
      const push = open(t, new Push<unknown>(both));
      const pull = open(t, new Pull<unknown>(both));
      pull.connect(await push.bind("tcp://127.0.0.1:*"));
      for (const bytes of [MAX, MAX - 1]) {
        await push.send(value(bytes));
        assert.deepEqual(await pull.receive(), value(bytes));
      }
      await assert.rejects(push.send(value(MAX + 1)), {
        ...TOO_LARGE,
        message: new RegExp(`has ${MAX + 1} bytes; messageBytesMax is ${MAX}`),
      });
      await push.send(value(5));
      assert.deepEqual(await pull.receive(), value(5));
    });
  }
}

for (const [way, options] of Object.entries(WAYS)) {
  test(`limits: a queue of one byte takes one message at a time (${way})`, async (t) => {
    const codec = raw() as never;
    const push = open(t, new Push<unknown>({ ...options, codec, queueBytesMax: 1 }));
    const pull = open(t, new Pull<unknown>({ ...options, codec }));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    const sent = [10, 70_000, 1, 0, 2].map((bytes) => Buffer.alloc(bytes, bytes));
    const taken = take(pull, sent.length);
    for (const bytes of sent) await push.send(bytes);
    assert.deepEqual(await taken, sent);
  });
}

const MANY = Array.from({ length: 1_000 }, (_, index) => index + 1_000);

eachTransport(
  "limits: a message of too many elements is refused at send, and on receipt",
  async (t, wire) => {
    for (const codec of [msgpack, json]) {
      const strict = { batch: { batchBytesMax: 200 }, messageElementsMax: 1_000 };
      const lax = { batch: { batchBytesMax: 200 }, messageElementsMax: 1_001 };
      const refusing = open(t, new Push<unknown>({ ...strict, codec: codec() }));
      await assert.rejects(refusing.send(MANY), TOO_LARGE);
      assert.equal(refusing.stats().sendsRefused, 1);
      const push = open(t, new Push<unknown>({ ...lax, codec: codec() }));
      const pull = open(t, new Pull<unknown>({ ...strict, codec: codec() }));
      const errors = errorsOf(pull);
      await wire.join(push, pull);
      await push.send(MANY);
      await push.send("the next");
      assert.equal(await pull.receive(), "the next");
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["BROKERLESS_TOO_LARGE"],
      );
      // Negative control: one that allows it gets it.
      const sender = open(t, new Push<unknown>({ ...lax, codec: codec() }));
      const control = open(t, new Pull<unknown>({ ...lax, codec: codec() }));
      await wire.join(sender, control);
      await sender.send(MANY);
      assert.deepEqual(await control.receive(), MANY);
    }
  },
);

test("limits: reliable sockets refuse too many elements at send, and reject them on receipt", async (t) => {
  const push = open(t, new Push<unknown>({ reliable: true, messageElementsMax: 1_001 }));
  const pull = open(t, new Pull<unknown>({ reliable: true, messageElementsMax: 1_000 }));
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await assert.rejects(push.send([...MANY, 1]), TOO_LARGE);
  const rejected = push.send(MANY, { confirm: "processed" });
  void pull.run(() => {});
  await assert.rejects(rejected, { code: "BROKERLESS_DEAD_LETTER" });
  await push.send(MANY.slice(1), { confirm: "processed" });
});

test("limits: a request and a reply of too many elements are errors of their request", async (t) => {
  const replier = open(t, new Replier<unknown, unknown>({ messageElementsMax: 1_000 }));
  const requester = open(t, new Requester<unknown, unknown>({ messageElementsMax: 1_001 }));
  void replier.serve((request) => (request === "many" ? [...MANY, 1] : 1));
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  await assert.rejects(requester.request([...MANY, 1]), TOO_LARGE);
  for (const request of ["many", MANY]) {
    await assert.rejects(requester.request(request), {
      name: "RemoteError",
      remoteCode: "BROKERLESS_TOO_LARGE",
    });
  }
  assert.equal(await requester.request("few"), 1);
});

test("limits: a frame of more than 65,536 values is refused, and the next is read", async (t) => {
  const push = open(t, new Push<Uint8Array>({ codec: raw(), batch: false }));
  const pull = open(t, new Pull<Uint8Array>({ codec: raw() }));
  const errors = errorsOf(pull);
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const empty = Buffer.from([0xc1, 0, 0, 0]);
  await push.send(Buffer.alloc(4 * 65_537, empty));
  await push.send(Buffer.from([0xc1, 1, 0, 0, 9]));
  assert.deepEqual([...(await pull.receive())], [9]);
  await eventually(() => assert.match(errors[0]?.message ?? "", /more than 65536 values/));
});
