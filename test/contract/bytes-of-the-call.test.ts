import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { StandardSchemaV1 } from "@standard-schema/spec";
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
import { wireOf } from "../support/each-transport.ts";
import { gate, open, range } from "../support/fixtures.ts";

const BYTES = 1_000;
/** Two messages fill it. */
const SMALL = { codec: raw(), queueBytesMax: 1_500, lingerMs: 0 } as const;

/** Bytes that the caller changes as soon as the call has returned. */
function scribbled<R>(fill: number, use: (bytes: Uint8Array) => R): R {
  const bytes = Buffer.alloc(BYTES, fill);
  const result = use(bytes);
  bytes.fill(0xff);
  return result;
}

function assertAre(bytes: Uint8Array, fill: number): void {
  assert.equal(bytes.length, BYTES);
  assert.ok(
    bytes.every((byte) => byte === fill),
    `message ${fill} was sent as it was later: it begins with ${bytes[0]}`,
  );
}

/** A schema whose checks end when it is told. */
function slowSchema(isOver: Promise<unknown>): StandardSchemaV1<Uint8Array, Uint8Array> {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => isOver.then(() => ({ value: value as Uint8Array })),
    },
  };
}

/** Sockets whose sends have to wait for room, and how what they send is received. */
const WAITING: Record<
  string,
  (t: TestContext) => {
    readonly send: (bytes: Uint8Array) => Promise<void>;
    readonly waits: () => number;
    readonly receive: () => Promise<() => Promise<Uint8Array>>;
  }
> = {
  Push: (t) => {
    const sender = open(t, new Push<Uint8Array>(SMALL));
    return {
      send: (bytes) => sender.send(bytes),
      waits: () => sender.stats().waitingSends,
      receive: async () => {
        const receiver = open(t, new Pull<Uint8Array>({ codec: raw() }));
        await wireOf(t, "tcp").join(sender, receiver);
        return () => receiver.receive();
      },
    };
  },
  "reliable Push": (t) => {
    const sender = open(t, new Push<Uint8Array>({ ...SMALL, reliable: true }));
    return {
      send: (bytes) => sender.send(bytes),
      waits: () => sender.stats().waitingSends,
      receive: async () => {
        const receiver = open(t, new Pull<Uint8Array>({ codec: raw(), reliable: true }));
        await wireOf(t, "tcp").join(sender, receiver);
        return () => receiver.receive();
      },
    };
  },
  Dealer: (t) => {
    const sender = open(t, new Dealer<Uint8Array, Uint8Array>(SMALL));
    return {
      send: (bytes) => sender.send(bytes),
      waits: () => sender.stats().waitingSends,
      receive: async () => {
        const receiver = open(t, new Router<Uint8Array, Uint8Array>({ codec: raw() }));
        await wireOf(t, "tcp").join(receiver, sender);
        return async () => (await receiver.receive()).value;
      },
    };
  },
};

for (const [name, make] of Object.entries(WAITING)) {
  test(`bytes: ${name} sends what it was given at the call, after a wait for room too`, async (t) => {
    const { send, waits, receive } = make(t);
    for (const fill of range(10)) {
      void scribbled(fill, send);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(waits() >= 5, "nothing had to wait: there was too much room for this test");
    const next = await receive();
    for (const fill of range(10)) assertAre(await next(), fill);
  });
}

test("bytes: what is sent is the value at the call, while an asynchronous schema checks it", async (t) => {
  for (const reliable of [false, true]) {
    const isOver = gate();
    const schema = slowSchema(isOver.promise);
    const sender = open(t, new Push<Uint8Array>({ codec: raw(), reliable, schema }));
    const receiver = open(t, new Pull<Uint8Array>({ codec: raw(), reliable }));
    await wireOf(t, "tcp").join(sender, receiver);
    const sent = range(3).map((fill) => scribbled(fill, (bytes) => sender.send(bytes)));
    isOver.open();
    await Promise.all(sent);
    for (const fill of range(3)) assertAre(await receiver.receive(), fill);
  }
});

test("bytes: what is published is the value at the call, while an asynchronous schema checks it", async (t) => {
  type Topics = { t: Uint8Array };
  const isOver = gate();
  const schema = slowSchema(isOver.promise);
  const publisher = open(t, new Publisher<Topics>({ codec: raw(), schema }));
  const subscriber = open(t, new Subscriber<Topics>({ codec: raw() }));
  subscriber.subscribe("t");
  subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
  await publisher.ready();
  const sent = scribbled(7, (bytes) => publisher.publish("t", bytes));
  isOver.open();
  await sent;
  assertAre((await subscriber.receive()).value, 7);
});

test("bytes: a request is that of the call, with a full queue and with a schema", async (t) => {
  const isOver = gate();
  const options = [{}, { schema: slowSchema(Promise.resolve()) }, { schema: syncSchema() }];
  for (const more of options) {
    const requester = open(t, new Requester<Uint8Array, Uint8Array>({ ...SMALL, ...more }));
    const replies = range(6).map((fill) => scribbled(fill, (bytes) => requester.request(bytes)));
    const replier = open(t, new Replier<Uint8Array, Uint8Array>({ codec: raw() }));
    void replier.serve((bytes) => Buffer.from(bytes));
    await wireOf(t, "tcp").join(replier, requester);
    for (const [fill, reply] of replies.entries()) assertAre(await reply, fill);
  }
  // A reply too: the handler may use its buffer for the next one.
  const requester = open(t, new Requester<Uint8Array, Uint8Array>({ codec: raw() }));
  const replySchema = slowSchema(isOver.promise);
  const replier = open(t, new Replier<Uint8Array, Uint8Array>({ codec: raw(), replySchema }));
  const scratch = Buffer.alloc(BYTES);
  void replier.serve((bytes) => {
    scratch.set(bytes);
    setImmediate(() => {
      scratch.fill(0xff);
      isOver.open();
    });
    return scratch;
  });
  await wireOf(t, "tcp").join(replier, requester);
  assertAre(await requester.request(Buffer.alloc(BYTES, 3)), 3);
});

function syncSchema(): StandardSchemaV1<Uint8Array, Uint8Array> {
  const validate = (value: unknown) => ({ value: value as Uint8Array });
  return { "~standard": { version: 1, vendor: "test", validate } };
}
