import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import * as v from "valibot";
import * as zmq from "zeromq";
import { z } from "zod";
import {
  json,
  Publisher,
  type PublisherOptions,
  raw,
  Subscriber,
  type SubscriberOptions,
} from "../../lib/index.ts";
import { MARK } from "../../lib/plain/topic/subscriber-counter.ts";
import { eachTransport, type Wire } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open, range, take } from "../support/fixtures.ts";

type Topics = Record<string, unknown>;

/** Options of either side of a {@link pair}. */
interface PairOptions {
  readonly publisher?: PublisherOptions<Topics>;
  readonly subscriber?: SubscriberOptions<Topics>;
  /** Default `["#"]`. */
  readonly patterns?: readonly string[];
}

/** A publisher that is bound, and a subscriber that it knows of. */
async function pair(
  t: TestContext,
  wire: Wire,
  options: PairOptions = {},
): Promise<{
  readonly publisher: Publisher<Topics>;
  readonly subscriber: Subscriber<Topics>;
  readonly address: string;
}> {
  const publisher = open(t, new Publisher<Topics>(options.publisher));
  const subscriber = open(t, new Subscriber<Topics>(options.subscriber));
  for (const pattern of options.patterns ?? ["#"]) subscriber.subscribe(pattern);
  const address = await publisher.bind(wire.address());
  subscriber.connect(address);
  await publisher.ready();
  return { publisher, subscriber, address };
}

function includes(list: readonly string[], item: string): void {
  assert.ok(list.includes(item), `${item} is not among ${list.join(", ")}`);
}

/** Enough to fill everything between a publisher and a subscriber that does not read. */
const FLOOD = { messages: 300, bytes: 100_000 } as const;
/** One message a frame, and few frames. */
const NARROW = { batch: false, peerFramesMax: 2 } as const;

eachTransport(
  "publisher: after ready, the first message reaches every subscriber",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Topics>());
    const address = await publisher.bind(wire.address());
    const subscribers = range(5).map(() => open(t, new Subscriber<Topics>()));
    for (const subscriber of subscribers) {
      subscriber.subscribe("news");
      subscriber.connect(address);
    }
    await publisher.ready({ peers: 5 });
    await publisher.publish("news", "first");
    for (const subscriber of subscribers) {
      assert.deepEqual(await subscriber.receive(), { topic: "news", value: "first", headers: {} });
    }
    assert.equal(publisher.stats().peers, 5);
  },
);

eachTransport(
  "publisher: ready waits for subscriptions, not for connections alone",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Topics>());
    const subscriber = open(t, new Subscriber<Topics>());
    const connected = new Promise((resolve) => publisher.on("peer", resolve));
    subscriber.connect(await publisher.bind(wire.address()));
    await Promise.all([connected, subscriber.ready()]);
    assert.equal(publisher.stats().peers, 0);
    await assert.rejects(publisher.ready({ timeoutMs: 5 }), { code: "BROKERLESS_TIMEOUT" });
    const ready = publisher.ready();
    subscriber.subscribe("late");
    await ready;
    await publisher.publish("late", 1);
    assert.deepEqual(await subscriber.receive(), { topic: "late", value: 1, headers: {} });
  },
);

eachTransport("publisher: a subscriber with many prefixes is counted once", async (t, wire) => {
  const patterns = range(50).map((n) => `topic.${n}.*`);
  const { publisher, subscriber } = await pair(t, wire, { patterns });
  for (const n of range(50)) await publisher.publish(`topic.${n}.x`, n);
  const got = await take(subscriber, 50);
  assert.deepEqual(
    got.map(({ value }) => value),
    range(50),
  );
  assert.equal(publisher.stats().peers, 1);
});

eachTransport("publisher: order is kept over all topics", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, { publisher: { slowSubscribers: "wait" } });
  const count = 10_000;
  const sending = (async () => {
    for (let n = 0; n < count; n++) await publisher.publish(`topic.${(n >> 3) % 7}`, n);
  })();
  const got = await take(subscriber, count);
  await sending;
  assert.deepEqual(
    got.map(({ value }) => value),
    range(count),
  );
  for (const { topic, value } of got) assert.equal(topic, `topic.${((value as number) >> 3) % 7}`);
});

eachTransport(
  "publisher: a batch holds messages of one topic, and topics share none",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire);
    for (let n = 0; n < 1_000; n++) void publisher.publish(n < 500 ? "a" : "b", n);
    let seen = 0;
    let batches = 0;
    for await (const batch of subscriber.batches()) {
      batches += 1;
      assert.equal(new Set(batch.map(({ topic }) => topic)).size, 1);
      for (const { topic, value } of batch) {
        assert.equal(value, seen++);
        assert.equal(topic, (value as number) < 500 ? "a" : "b");
      }
      if (seen === 1_000) break;
    }
    assert.ok(batches < 500, `${batches} batches`);
    assert.ok(publisher.stats().framesSent < 500, "messages share frames");
  },
);

eachTransport(
  "publisher: batch false puts each message into a frame of its own",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, { publisher: { batch: false } });
    for (let n = 0; n < 100; n++) void publisher.publish("a", n);
    await take(subscriber, 100);
    assert.equal(publisher.stats().framesSent, 100);
    assert.equal(subscriber.stats().framesReceived, 100);
  },
);

eachTransport(
  "publisher: a subscriber may bind, and several publishers connect",
  async (t, wire) => {
    const subscriber = open(t, new Subscriber<Topics>());
    subscriber.subscribe("#");
    const address = await subscriber.bind(wire.address());
    const publishers = range(3).map(() => open(t, new Publisher<Topics>()));
    for (const publisher of publishers) publisher.connect(address);
    await Promise.all(publishers.map((publisher) => publisher.ready()));
    for (let n = 0; n < 200; n++) {
      for (const [p, publisher] of publishers.entries()) void publisher.publish(`p${p}`, n);
    }
    const got = await take(subscriber, 600);
    for (const p of range(3)) {
      const own = got.filter(({ topic }) => topic === `p${p}`).map(({ value }) => value);
      assert.deepEqual(own, range(200));
    }
  },
);

eachTransport(
  "publisher: a late subscriber gets what is published after ready",
  async (t, wire) => {
    const { publisher, subscriber, address } = await pair(t, wire);
    await publisher.publish("a", "early");
    assert.equal((await subscriber.receive()).value, "early");
    const late = open(t, new Subscriber<Topics>());
    late.subscribe("a");
    late.connect(address);
    await publisher.ready({ peers: 2 });
    await publisher.publish("a", "later");
    assert.equal((await late.receive()).value, "later");
    assert.equal((await subscriber.receive()).value, "later");
  },
);

eachTransport("publisher: with nobody subscribed, publish and drain resolve", async (t, wire) => {
  const publisher = open(t, new Publisher<Topics>());
  await publisher.bind(wire.address());
  for (let n = 0; n < 10_000; n++) void publisher.publish("nobody", n);
  await publisher.publish("nobody", "last");
  await publisher.drain();
  const { messagesSent, queuedMessages, messagesDropped } = publisher.stats();
  assert.deepEqual(
    { messagesSent, queuedMessages, messagesDropped },
    {
      messagesSent: 10_001,
      queuedMessages: 0,
      messagesDropped: 0,
    },
  );
});

eachTransport("publisher: slowSubscribers wait loses nothing", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, {
    publisher: { ...NARROW, codec: raw(), slowSubscribers: "wait", queueBytesMax: 1_000_000 },
    subscriber: { ...NARROW, codec: raw() },
  });
  let accepted = 0;
  const body = new Uint8Array(FLOOD.bytes);
  const sending = range(FLOOD.messages).map(async (n) => {
    await publisher.publish(`n${n}`, body);
    accepted += 1;
  });
  await eventually(() => assert.notEqual(publisher.stats().waitingSends, 0));
  assert.ok(accepted < FLOOD.messages, `${accepted} accepted by a queue of ten`);
  const got = await take(subscriber, FLOOD.messages);
  await Promise.all(sending);
  assert.deepEqual(
    got.map(({ topic }) => topic),
    range(FLOOD.messages).map((n) => `n${n}`),
  );
});

eachTransport(
  "publisher: slowSubscribers drop holds nobody back, and order stays",
  async (t, wire) => {
    const { publisher, subscriber, address } = await pair(t, wire, {
      publisher: { ...NARROW, codec: raw() },
      subscriber: { ...NARROW, codec: raw() },
    });
    const quick = open(t, new Subscriber<Topics>({ ...NARROW, codec: raw() }));
    quick.subscribe("after");
    quick.connect(address);
    await publisher.ready({ peers: 2 });
    const body = new Uint8Array(FLOOD.bytes);
    for (const n of range(FLOOD.messages)) await publisher.publish(`n${n}`, body);
    await publisher.drain();
    assert.equal(publisher.stats().messagesSent, FLOOD.messages);
    assert.equal(publisher.stats().messagesDropped, 0, "what ZeroMQ drops is not counted");
    await publisher.publish("after", new Uint8Array(1));
    assert.equal((await quick.receive()).topic, "after");
    await quick.close();

    const got: number[] = [];
    let ended = false;
    const reading = (async () => {
      for await (const { topic } of subscriber) {
        if (topic === "end") break;
        if (topic !== "after") got.push(Number(topic.slice(1)));
      }
      ended = true;
    })();
    while (!ended) {
      await publisher.publish("end", new Uint8Array(1));
      await nextTurn();
    }
    await reading;
    assert.ok(got.length > 0 && got.length < FLOOD.messages, `${got.length} arrived`);
    assert.deepEqual(
      got,
      [...got].sort((a, b) => a - b),
    );
  },
);

eachTransport(
  "publisher: a full queue refuses tryPublish and ends waits in time",
  async (t, wire) => {
    const { publisher } = await pair(t, wire, {
      publisher: { ...NARROW, codec: raw(), slowSubscribers: "wait", queueBytesMax: 1_000_000 },
      subscriber: { ...NARROW, codec: raw() },
    });
    const body = new Uint8Array(FLOOD.bytes);
    // More than the kernel comes to take: whoever waits behind them waits.
    const flood = range(FLOOD.messages).map(() => publisher.publish("a", body));
    assert.equal(publisher.tryPublish("a", body), false);
    const timed = publisher.publish("a", body, { timeoutMs: 1 });
    await assert.rejects(timed, { code: "BROKERLESS_TIMEOUT", retryable: true });
    const controller = new AbortController();
    const aborted = publisher.publish("a", body, { signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(aborted, reason);
    const drained = publisher.drain({ timeoutMs: 1 });
    assert.equal(publisher.status, "draining");
    await assert.rejects(drained, { code: "BROKERLESS_TIMEOUT" });
    assert.equal(publisher.status, "open");
    await publisher.close();
    const outcomes = await Promise.allSettled(flood);
    assert.equal(outcomes[0]!.status, "fulfilled");
    const last = outcomes.at(-1)!;
    assert.ok(last.status === "rejected");
    assert.equal(last.reason.code, "BROKERLESS_CLOSED");
  },
);

eachTransport(
  "publisher: a value that does not fit the schema is not published",
  async (t, wire) => {
    const schema = z.object({ price: z.number() });
    const { publisher, subscriber } = await pair(t, wire, {
      publisher: { schema } as PublisherOptions<Topics>,
    });
    const codes: string[] = [];
    publisher.on("error", ({ code }) => codes.push(code));
    const before = publisher.publish("a", { price: 1 });
    const bad = publisher.publish("a", { price: "2" });
    const after = publisher.publish("a", { price: 3 });
    await Promise.all([before, after]);
    await assert.rejects(bad, (error: { code: string; issues: { path: string[] }[] }) => {
      assert.equal(error.code, "BROKERLESS_SCHEMA");
      assert.deepEqual(error.issues[0]?.path, ["price"]);
      return true;
    });
    const got = await take(subscriber, 2);
    assert.deepEqual(
      got.map(({ value }) => value),
      [{ price: 1 }, { price: 3 }],
    );
    assert.equal(publisher.stats().sendsRefused, 1);
    assert.deepEqual(codes, ["BROKERLESS_SCHEMA"]);
    assert.throws(() => publisher.tryPublish("a", { price: null }), { code: "BROKERLESS_SCHEMA" });
  },
);

eachTransport("publisher: an asynchronous schema keeps the order of calls", async (t, wire) => {
  const schema = v.pipeAsync(
    v.number(),
    v.checkAsync(async (n) => {
      for (let turn = 0; turn < 5 - (n % 5); turn++) await nextTurn();
      return n !== 7;
    }),
  );
  const { publisher, subscriber } = await pair(t, wire, {
    publisher: { schema } as PublisherOptions<Topics>,
  });
  const sends = range(20).map((n) => publisher.publish("a", n));
  await assert.rejects(sends[7]!, { code: "BROKERLESS_SCHEMA" });
  const got = await take(subscriber, 19);
  assert.deepEqual(
    got.map(({ value }) => value),
    range(20).filter((n) => n !== 7),
  );
});

eachTransport("publisher: every codec carries its values", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, {
    publisher: { codec: json() },
    subscriber: { codec: json() },
  });
  for (const n of range(100)) void publisher.publish("j", { n, text: "line\nbreak" });
  const got = await take(subscriber, 100);
  assert.deepEqual(
    got.map(({ value }) => value),
    range(100).map((n) => ({ n, text: "line\nbreak" })),
  );
});

eachTransport("publisher: raw bytes arrive as they were, empty ones too", async (t, wire) => {
  const { publisher, subscriber } = await pair(t, wire, {
    publisher: { codec: raw() },
    subscriber: { codec: raw() },
  });
  const bodies = [new Uint8Array(0), Uint8Array.of(0, 255), new Uint8Array(200_000).fill(7)];
  for (const body of bodies) void publisher.publish("bytes", body);
  const got = await take(subscriber, 3);
  for (const [index, { value }] of got.entries()) {
    assert.ok(value instanceof Uint8Array, "a Uint8Array");
    assert.deepEqual(Buffer.from(value), Buffer.from(bodies[index]!));
  }
});

eachTransport(
  "publisher: what cannot be encoded or is too large is refused alone",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire, {
      publisher: { messageBytesMax: 1_000 },
    });
    const codes: string[] = [];
    publisher.on("error", ({ code }) => codes.push(code));
    void publisher.publish("a", 1);
    const large = publisher.publish("a", "x".repeat(1_001));
    const strange = publisher.publish("a", () => {});
    void publisher.publish("a", 2);
    await assert.rejects(large, { code: "BROKERLESS_TOO_LARGE", retryable: false });
    await assert.rejects(strange, { code: "BROKERLESS_CODEC" });
    const got = await take(subscriber, 2);
    assert.deepEqual(
      got.map(({ value }) => value),
      [1, 2],
    );
    assert.equal(publisher.stats().sendsRefused, 2);
    assert.deepEqual(codes, ["BROKERLESS_TOO_LARGE", "BROKERLESS_CODEC"]);
  },
);

eachTransport(
  "publisher: malformed topics are TypeErrors, and nothing is published",
  async (t, wire) => {
    const { publisher, subscriber } = await pair(t, wire);
    const bad = [5, null, undefined, "\0a", "x".repeat(1_025), "ü".repeat(513)] as string[];
    for (const topic of bad) {
      await assert.rejects(publisher.publish(topic, 1), TypeError);
      assert.throws(() => publisher.tryPublish(topic, 1), TypeError);
    }
    await assert.rejects(publisher.publish("a", 1, { confirm: "stored" as never }), TypeError);
    const good = ["", "x".repeat(1_024), "ü".repeat(512), "a..b", "*", "a b"];
    for (const topic of good) await publisher.publish(topic, topic.length);
    const got = await take(subscriber, good.length);
    assert.deepEqual(
      got.map(({ topic }) => topic),
      good,
    );
  },
);

eachTransport("publisher: events tell of peers, subscriptions and subscribers", async (t, wire) => {
  const publisher = open(t, new Publisher<Topics>());
  const events: string[] = [];
  publisher.on("peer", ({ peers }) => events.push(`peer ${peers}`));
  publisher.on("peerLost", ({ peers }) => events.push(`peerLost ${peers}`));
  publisher.on("subscribe", ({ prefix }) => events.push(`subscribe ${prefix}`));
  publisher.on("unsubscribe", ({ prefix }) => events.push(`unsubscribe ${prefix}`));
  publisher.on("subscribers", ({ count }) => events.push(`subscribers ${count}`));
  const subscriber = open(t, new Subscriber<Topics>());
  subscriber.connect(await publisher.bind(wire.address()));
  subscriber.subscribe("a.*");
  await publisher.ready();
  subscriber.subscribe("b");
  await eventually(() => includes(events, "subscribe b"));
  subscriber.unsubscribe("a.*");
  await eventually(() => includes(events, "unsubscribe a."));
  await subscriber.close();
  await eventually(() => {
    includes(events, "subscribers 0");
    includes(events, "peerLost 0");
  });
  assert.deepEqual(events.filter((event) => /^(subscribers|peer)/.test(event)).sort(), [
    "peer 1",
    "peerLost 0",
    "subscribers 0",
    "subscribers 1",
  ]);
  includes(events, "subscribe a.");
  assert.equal(publisher.stats().peers, 0);
});

eachTransport("publisher: a listener that was removed hears nothing more", async (t, wire) => {
  const publisher = open(t, new Publisher<Topics>());
  const heard: string[] = [];
  const remove = publisher.on("subscribe", ({ prefix }) => heard.push(prefix));
  const subscriber = open(t, new Subscriber<Topics>());
  subscriber.subscribe("first");
  subscriber.connect(await publisher.bind(wire.address()));
  await publisher.ready();
  remove();
  const second = new Promise<void>((resolve) => {
    publisher.on("subscribe", ({ prefix }) => prefix === "second" && resolve());
  });
  subscriber.subscribe("second");
  await second;
  assert.deepEqual(heard, ["first"]);
});

eachTransport("publisher: await using sends what was accepted, then closes", async (t, wire) => {
  const subscriber = open(t, new Subscriber<Topics>());
  subscriber.subscribe("#");
  const address = await subscriber.bind(wire.address());
  {
    // What is tested is that it is sent, and not how soon.
    await using publisher = new Publisher<Topics>({ slowSubscribers: "wait", lingerMs: 60_000 });
    publisher.connect(address);
    await publisher.ready();
    for (let n = 0; n < 2_000; n++) void publisher.publish("a", n);
  }
  const got = await take(subscriber, 2_000);
  assert.deepEqual(
    got.map(({ value }) => value),
    range(2_000),
  );
});

eachTransport(
  "publisher: after close every call says so, and close can be repeated",
  async (t, wire) => {
    const publisher = open(t, new Publisher<Topics>());
    await publisher.bind(wire.address());
    const waiting = publisher.ready();
    const closed = [publisher.close(), publisher.close()];
    assert.equal(publisher.status, "closed");
    await Promise.all(closed);
    const gone = { code: "BROKERLESS_CLOSED", retryable: false };
    await assert.rejects(waiting, gone);
    await assert.rejects(publisher.publish("a", 1), gone);
    assert.throws(() => publisher.tryPublish("a", 1), gone);
    await assert.rejects(publisher.ready(), gone);
    await assert.rejects(publisher.bind(wire.address()), gone);
    assert.throws(() => publisher.connect("tcp://127.0.0.1:1"), gone);
    await assert.rejects(publisher.drain(), gone);
    await publisher[Symbol.asyncDispose]();
  },
);

eachTransport("publisher: an address that was unbound can be bound again", async (t, wire) => {
  const { publisher, subscriber, address } = await pair(t, wire);
  await publisher.publish("a", "from the first");
  assert.equal((await subscriber.receive()).value, "from the first");
  const next = subscriber.receive();
  await publisher.unbind(address);
  await eventually(() => assert.equal(publisher.stats().peers, 0));
  await assert.rejects(publisher.unbind(address), { code: "BROKERLESS_ADDRESS" });
  // Or it connects again. An attempt under way may still succeed, and count for a moment.
  subscriber.disconnect(address);
  const second = open(t, new Publisher<Topics>());
  const isThere = new Promise<void>((resolve) => {
    second.on("subscribe", ({ prefix }) => prefix === "a" && resolve());
  });
  await second.bind(address);
  const late = open(t, new Subscriber<Topics>());
  late.subscribe("a");
  late.connect(address);
  await isThere;
  await second.publish("b", "nobody's");
  await second.publish("a", "from the second");
  assert.equal((await late.receive()).value, "from the second");
  await subscriber.close();
  await assert.rejects(next, { code: "BROKERLESS_CLOSED" });
});

test("publisher: an idle inproc subscriber that disconnects is not counted", async (t) => {
  const publisher = open(t, new Publisher());
  const subscriber = open(t, new Subscriber());
  subscriber.subscribe("a");
  const address = await publisher.bind("inproc://idle-subscriber");
  subscriber.connect(address);
  await Promise.all([publisher.ready(), subscriber.ready()]);
  const left = gate<unknown>();
  publisher.on("subscribers", left.open);
  subscriber.disconnect(address);
  assert.deepEqual(await left.promise, { count: 0 });
});

test("publisher: a peer that announces topics and never asks for them is alone in not being ready", async (t) => {
  const publisher = open(t, new Publisher());
  const address = await publisher.bind("tcp://127.0.0.1:*");
  const liar = new zmq.Subscriber({ linger: 0 });
  t.after(() => liar.close());
  liar.connect(address);
  liar.subscribe(`${MARK}AAAAAAAAAAAAAAAA.1.999999999`);
  await eventually(() => assert.equal(publisher.peers()[0]?.id, "AAAAAAAAAAAAAAAA"));
  for (const topic of ["one", "two"]) {
    const subscriber = open(t, new Subscriber());
    subscriber.subscribe(topic);
    subscriber.connect(address);
    await publisher.ready({ peers: topic === "one" ? 1 : 2, timeoutMs: 30_000 });
    await publisher.publish(topic, 1);
    assert.equal((await subscriber.receive()).value, 1);
  }
});
