import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import * as v from "valibot";
import { z } from "zod";
import {
  json,
  type Publication,
  Publisher,
  raw,
  Subscriber,
  type SubscriberOptions,
} from "../../lib/index.ts";
import { eachTransport, type Wire } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, gate, open, range, take } from "../support/fixtures.ts";

type Topics = Record<string, unknown>;

/** A publisher that waits for the slowest, and a subscriber of `patterns` that it knows of. */
async function pair(
  t: TestContext,
  wire: Wire,
  setup: {
    readonly patterns: readonly string[];
    readonly options?: SubscriberOptions<Topics>;
  },
): Promise<{
  readonly publisher: Publisher<Topics>;
  readonly subscriber: Subscriber<Topics>;
  readonly address: string;
}> {
  const publisher = open(t, new Publisher<Topics>({ slowSubscribers: "wait" }));
  const subscriber = open(t, new Subscriber<Topics>(setup.options));
  for (const pattern of setup.patterns) subscriber.subscribe(pattern);
  const address = await publisher.bind(wire.address());
  subscriber.connect(address);
  await publisher.ready();
  return { publisher, subscriber, address };
}

const END = "end";

/** Publishes each topic, then a last one that the subscriber knows. @returns what came before it */
async function through(
  publisher: Publisher<Topics>,
  subscriber: Subscriber<Topics>,
  topics: readonly string[],
): Promise<string[]> {
  for (const topic of topics) void publisher.publish(topic, topic);
  void publisher.publish(END, END);
  const got: string[] = [];
  for await (const { topic, value } of subscriber) {
    assert.equal(value, topic);
    if (topic === END) break;
    got.push(topic);
  }
  return got;
}

const TOPICS = ["a", "a.b", "a.b.c", "a.c", "ab", "ab.c", "b", "b.a", "", "a.", ".a", "a..b", "A"];

for (const { patterns, expected } of [
  { patterns: ["a.b"], expected: ["a.b"] },
  { patterns: ["a"], expected: ["a"] },
  { patterns: [""], expected: [""] },
  { patterns: ["a.*"], expected: ["a.b", "a.c", "a."] },
  { patterns: ["*.a"], expected: ["b.a", ".a"] },
  { patterns: ["*"], expected: ["a", "ab", "b", "", "A"] },
  { patterns: ["a.#"], expected: ["a", "a.b", "a.b.c", "a.c", "a.", "a..b"] },
  { patterns: ["#.c"], expected: ["a.b.c", "a.c", "ab.c"] },
  { patterns: ["a.*.c", "a.#.b"], expected: ["a.b", "a.b.c", "a..b"] },
  { patterns: ["a*"], expected: [] },
  { patterns: ["#"], expected: TOPICS },
  {
    patterns: ["a.#", "a.*", "a.b", "#.b"],
    expected: ["a", "a.b", "a.b.c", "a.c", "b", "a.", "a..b"],
  },
]) {
  const asked = patterns.map((pattern) => JSON.stringify(pattern)).join(" and ");
  eachTransport(`subscriber: ${asked} takes what matches, once`, async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { patterns: [...patterns, END] });
    assert.deepEqual(await through(publisher, subscriber, TOPICS), expected);
  });
}

eachTransport("subscriber: unsubscribe ends one pattern and no other", async (t, wire) => {
  const patterns = ["a.b", "a.*", "b", END];
  const { publisher, subscriber } = await pair(t, wire, { patterns });
  const topics = ["a.b", "a.c", "b"];
  assert.deepEqual(await through(publisher, subscriber, topics), ["a.b", "a.c", "b"]);
  subscriber.unsubscribe("b");
  subscriber.unsubscribe("never given");
  assert.deepEqual(await through(publisher, subscriber, topics), ["a.b", "a.c"]);
  subscriber.unsubscribe("a.*");
  assert.deepEqual(await through(publisher, subscriber, topics), ["a.b"]);
  subscriber.unsubscribe("a.b");
  assert.deepEqual(await through(publisher, subscriber, topics), []);
});

eachTransport(
  "subscriber: patterns that share a prefix keep it until the last",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { patterns: ["a.*.x", "a.*.y", END] });
    const prefixes: string[] = [];
    publisher.on("unsubscribe", ({ prefix }) => prefixes.push(prefix));
    const topics = ["a.1.x", "a.1.y", "a.1.z"];
    assert.deepEqual(await through(publisher, subscriber, topics), ["a.1.x", "a.1.y"]);
    subscriber.unsubscribe("a.*.x");
    assert.deepEqual(await through(publisher, subscriber, topics), ["a.1.y"]);
    assert.deepEqual(prefixes, []);
    subscriber.unsubscribe("a.*.y");
    await eventually(() => assert.deepEqual(prefixes, ["a."]));
    assert.deepEqual(await through(publisher, subscriber, topics), []);
  },
);

eachTransport("subscriber: a pattern given twice is taken back at once", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { patterns: ["a", "a", END] });
  assert.deepEqual(await through(publisher, subscriber, ["a"]), ["a"]);
  subscriber.unsubscribe("a");
  assert.deepEqual(await through(publisher, subscriber, ["a"]), []);
});

eachTransport(
  "subscriber: subscribing again, and to all, loses no other pattern",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { patterns: ["a", END] });
    const heard: string[] = [];
    publisher.on("subscribe", ({ prefix }) => heard.push(`+${prefix}`));
    publisher.on("unsubscribe", ({ prefix }) => heard.push(`-${prefix}`));
    subscriber.subscribe("#");
    await eventually(() => assert.equal(heard.includes("+"), true));
    assert.deepEqual(await through(publisher, subscriber, ["a", "b"]), ["a", "b"]);
    subscriber.unsubscribe("#");
    await eventually(() => assert.equal(heard.includes("-"), true));
    assert.deepEqual(await through(publisher, subscriber, ["a", "b"]), ["a"]);
    assert.equal(publisher.stats().peers, 1);
  },
);

eachTransport(
  "subscriber: malformed patterns are TypeErrors and change nothing",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { patterns: ["a", END] });
    for (const bad of [5, null, undefined, "\0", "x".repeat(1_025)] as string[]) {
      assert.throws(() => subscriber.subscribe(bad), TypeError);
      subscriber.unsubscribe(bad);
    }
    assert.deepEqual(await through(publisher, subscriber, ["a", "b"]), ["a"]);
  },
);

eachTransport("subscriber: many subscribers each get their own topics", async (t, wire) => {
  const publisher = open(t, new Publisher<Topics>({ slowSubscribers: "wait" }));
  const subscribers = range(6).map(() => open(t, new Subscriber<Topics>()));
  for (const [n, subscriber] of subscribers.entries()) subscriber.subscribe(`${n % 3}.#`);
  await wire.join(publisher, ...subscribers);
  const reading = subscribers.map((subscriber) => take(subscriber, 1_000));
  for (const n of range(3_000)) void publisher.publish(`${n % 3}.x`, n);
  for (const [index, got] of (await Promise.all(reading)).entries()) {
    const values = got.map(({ value }) => value);
    assert.deepEqual(
      values,
      range(3_000).filter((n) => n % 3 === index % 3),
    );
  }
});

eachTransport(
  "subscriber: takes from several publishers, in the order of each",
  async (t, wire) => {
    const publishers = range(3).map(() =>
      open(t, new Publisher<Topics>({ slowSubscribers: "wait" })),
    );
    const subscriber = open(t, new Subscriber<Topics>());
    subscriber.subscribe("#");
    for (const publisher of publishers) subscriber.connect(await publisher.bind(wire.address()));
    await Promise.all(publishers.map((publisher) => publisher.ready()));
    await subscriber.ready({ peers: 3 });
    for (const n of range(1_000)) {
      for (const [p, publisher] of publishers.entries()) void publisher.publish(`p${p}`, n);
    }
    const got = await take(subscriber, 3_000);
    for (const p of range(3)) {
      const own = got.filter(({ topic }) => topic === `p${p}`).map(({ value }) => value);
      assert.deepEqual(own, range(1_000));
    }
  },
);

eachTransport(
  "subscriber: finds a publisher that comes after it, and a second one",
  async (t, wire) => {
    const first = open(t, new Publisher<Topics>());
    const subscriber = open(t, new Subscriber<Topics>());
    subscriber.subscribe("a");
    const address = await first.bind(wire.address());
    subscriber.connect(address);
    await first.ready();
    await first.publish("a", 1);
    assert.equal((await subscriber.receive()).value, 1);
    const lost = new Promise((resolve) => subscriber.on("peerLost", resolve));
    await first.close();
    await lost;
    const second = open(t, new Publisher<Topics>());
    await second.bind(address);
    await second.ready();
    await second.publish("a", 2);
    assert.equal((await subscriber.receive()).value, 2);
  },
);

eachTransport("subscriber: after disconnect the publisher is without it", async (t, wire) => {
  const { publisher, subscriber, address } = await pair(t, wire, { patterns: ["#"] });
  await publisher.publish("a", "before");
  assert.equal((await subscriber.receive()).value, "before");
  const next = subscriber.receive();
  subscriber.disconnect(address);
  await eventually(() => assert.equal(publisher.stats().peers, 0));
  assert.throws(() => subscriber.disconnect(address), { code: "BROKERLESS_ADDRESS" });
  subscriber.connect(address);
  await publisher.ready();
  await publisher.publish("a", "again");
  assert.equal((await next).value, "again");
});

for (const [library, schema] of [
  ["zod", z.object({ n: z.number().max(9), at: z.string().default("here") })],
  [
    "valibot",
    v.object({ n: v.pipe(v.number(), v.maxValue(9)), at: v.optional(v.string(), "here") }),
  ],
] as const) {
  eachTransport(`subscriber: what does not fit a ${library} schema is skipped`, async (t, wire) => {
    const options = { schema } as SubscriberOptions<Topics>;
    const { publisher, subscriber } = await pair(t, wire, { patterns: ["#"], options });
    const errors = errorsOf(subscriber);
    for (const n of [1, 10, 2, "3", 4]) void publisher.publish("a", { n });
    const got = await take(subscriber, 3);
    assert.deepEqual(
      got.map(({ value }) => value),
      [1, 2, 4].map((n) => ({ n, at: "here" })),
    );
    assert.equal(subscriber.stats().messagesRefused, 2);
    assert.equal(subscriber.stats().messagesReceived, 3);
    assert.deepEqual(
      errors.map(({ code, issues }) => [code, issues.length > 0]),
      [
        ["BROKERLESS_SCHEMA", true],
        ["BROKERLESS_SCHEMA", true],
      ],
    );
  });
}

eachTransport(
  "subscriber: a frame that cannot be read is skipped and reported",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Topics>({ codec: raw(), batch: false }));
    const subscriber = open(t, new Subscriber<Topics>({ codec: json() }));
    const errors = errorsOf(subscriber);
    subscriber.subscribe("#");
    await wire.join(publisher, subscriber);
    await publisher.publish("a", Buffer.from("{"));
    await publisher.publish("a", Buffer.from('"good"\n'));
    assert.deepEqual(await subscriber.receive(), { topic: "a", value: "good", headers: {} });
    assert.equal(subscriber.stats().framesRefused, 1);
    assert.deepEqual(
      errors.map(({ code }) => code),
      ["BROKERLESS_CODEC"],
    );
  },
);

eachTransport("subscriber: a receive that gives up takes nothing", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { patterns: ["#"] });
  await assert.rejects(subscriber.receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  const controller = new AbortController();
  const aborted = subscriber.receive({ signal: controller.signal });
  const loop = subscriber[Symbol.asyncIterator]();
  const next = loop.next();
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await loop.return?.();
  assert.equal((await next).done, true);
  await publisher.publish("a", "kept");
  assert.equal((await subscriber.receive()).value, "kept");
  await assert.rejects(async () => subscriber.receive({ timeoutMs: -1 }), TypeError);
});

eachTransport("subscriber: loops and calls share the messages, each to one", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { patterns: ["#"] });
  const seen: unknown[] = [];
  const all = gate();
  const note = ({ value }: Publication<Topics>): void => {
    if (seen.push(value) === 900) all.open();
  };
  const loops = range(2).map(async () => {
    for await (const publication of subscriber) note(publication);
  });
  const batches = (async () => {
    for await (const batch of subscriber.batches()) batch.forEach(note);
  })();
  const calls = range(50).map(async () => note(await subscriber.receive()));
  for (const n of range(900)) void publisher.publish("a", n);
  await all.promise;
  await subscriber.close();
  await Promise.allSettled(calls);
  await Promise.all([...loops, batches]);
  assert.deepEqual(
    (seen as number[]).sort((a, b) => a - b),
    range(900),
  );
});

eachTransport(
  "subscriber: run has at most so many handlers, and throws their error",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { patterns: ["#"] });
    const gates = range(10).map(() => gate());
    let active = 0;
    let most = 0;
    const running = subscriber.run(
      async ({ value }) => {
        most = Math.max(most, ++active);
        await gates[value as number]!.promise;
        active -= 1;
        if (value === 9) throw new Error("the tenth");
      },
      { concurrency: 3 },
    );
    const failed = assert.rejects(running, /the tenth/);
    for (const n of range(10)) void publisher.publish("a", n);
    await eventually(() => assert.equal(active, 3));
    for (const each of gates) each.open();
    await failed;
    assert.equal(most, 3);
    await assert.rejects(
      subscriber.run(() => {}, { concurrency: 0 }),
      TypeError,
    );
  },
);

eachTransport("subscriber: run ends by its signal, or when the socket closes", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { patterns: ["#"] });
  const controller = new AbortController();
  const seen = gate<unknown>();
  const aborted = subscriber.run(({ value }) => seen.open(value), { signal: controller.signal });
  await publisher.publish("a", 1);
  assert.equal(await seen.promise, 1);
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  const running = subscriber.run(() => {});
  await subscriber.close();
  await running;
});

eachTransport("subscriber: close ends its loops and rejects its calls", async (t, wire) => {
  const subscriber = open(t, new Subscriber<Topics>());
  subscriber.subscribe("#");
  await subscriber.bind(wire.address());
  const loop = take(subscriber, 1);
  const batches = take(subscriber.batches(), 1);
  const call = subscriber.receive();
  const waiting = subscriber.ready();
  await subscriber.close();
  assert.deepEqual([await loop, await batches], [[], []]);
  const gone = { code: "BROKERLESS_CLOSED" };
  await assert.rejects(call, gone);
  await assert.rejects(waiting, gone);
  await assert.rejects(subscriber.receive(), gone);
  assert.throws(() => subscriber.subscribe("a"), gone);
  assert.throws(() => subscriber.unsubscribe("#"), gone);
  assert.deepEqual(await take(subscriber, 1), []);
  await subscriber.close();
  assert.equal(subscriber.status, "closed");
});

eachTransport("subscriber: peer and peerLost tell of publishers", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { patterns: ["a"] });
  await subscriber.ready();
  assert.equal(subscriber.stats().peers, 1);
  const lost = new Promise<{ peers: number }>((resolve) => subscriber.on("peerLost", resolve));
  await publisher.close();
  assert.equal((await lost).peers, 0);
  assert.equal(subscriber.stats().peers, 0);
});

eachTransport("subscriber: await using closes it", async (t, wire) => {
  const publisher = open(t, new Publisher<Topics>());
  const address = await publisher.bind(wire.address());
  {
    await using subscriber = new Subscriber<Topics>();
    subscriber.subscribe("a");
    subscriber.connect(address);
    await publisher.ready();
    await subscriber.drain();
  }
  await eventually(() => assert.equal(publisher.stats().peers, 0));
});
