import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import {
  BrokerlessError,
  Dealer,
  type MessageHeaders,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open, range, take } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const TRACE = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" };
const NONE: MessageHeaders = {};

eachTransport("headers: push to pull, with and without, in order", async (t, wire) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const wanted = range(3_000).map((n) => ({
    value: n,
    headers: n % 7 < 3 ? { n: `${n}`, ...TRACE } : NONE,
  }));
  for (const { value, headers } of wanted) void push.send(value, { headers });
  assert.deepEqual(await take(pull.messages(), wanted.length), wanted);
});

eachTransport("headers: run gets them, and loops over values are as ever", async (t, wire) => {
  const push = open(t, new Push<string>());
  const pull = open(t, new Pull<string>());
  await wire.join(push, pull);
  await push.send("a", { headers: TRACE });
  await push.send("b", { headers: TRACE });
  assert.deepEqual(await take(pull, 2), ["a", "b"]);
  const seen: unknown[] = [];
  void pull.run((value, delivery) => seen.push([value, delivery.headers]));
  await push.send("c", { headers: TRACE });
  await push.send("d");
  await eventually(() =>
    assert.deepEqual(seen, [
      ["c", TRACE],
      ["d", NONE],
    ]),
  );
});

eachTransport("headers: publish to a subscriber", async (t, wire) => {
  const publisher = open(t, new Publisher<{ a: number }>());
  const subscriber = open(t, new Subscriber<{ a: number }>());
  subscriber.subscribe("a");
  await wire.join(publisher, subscriber);
  await publisher.publish("a", 1, { headers: TRACE });
  await publisher.publish("a", 2);
  assert.deepEqual(await take(subscriber, 2), [
    { topic: "a", value: 1, headers: TRACE },
    { topic: "a", value: 2, headers: NONE },
  ]);
});

eachTransport("headers: dealer and router, both ways", async (t, wire) => {
  const router = open(t, new Router<string>());
  const dealer = open(t, new Dealer<string>());
  await wire.join(router, dealer);
  await dealer.send("hello", { headers: TRACE });
  const { peer, value, headers } = await router.receive();
  assert.deepEqual([value, headers], ["hello", TRACE]);
  await router.send(peer, "back", { headers: { a: "1" } });
  await router.send(peer, "bare");
  assert.deepEqual(await take(dealer.messages(), 2), [
    { value: "back", headers: { a: "1" } },
    { value: "bare", headers: NONE },
  ]);
});

eachTransport("headers: a request's are in the context of its handler", async (t, wire) => {
  const replier = open(t, new Replier<string, MessageHeaders>());
  const requester = open(t, new Requester<string, MessageHeaders>());
  void replier.serve((_, context) => context.headers);
  await wire.join(replier, requester);
  assert.deepEqual(await requester.request("a", { headers: TRACE }), TRACE);
  assert.deepEqual(await requester.request("b"), NONE);
});

test("headers: an empty raw body has its headers too, of a request as well", async (t) => {
  const wire = wireOf(t, "tcp");
  const codec = raw();
  const push = open(t, new Push<Uint8Array>({ codec, batch: false }));
  const pull = open(t, new Pull<Uint8Array>({ codec, batch: false }));
  await wire.join(push, pull);
  await push.send(Buffer.alloc(0), { headers: TRACE });
  assert.deepEqual(await take(pull.messages(), 1), [{ value: Buffer.alloc(0), headers: TRACE }]);
  const replier = open(t, new Replier<Uint8Array, Uint8Array>({ codec }));
  const requester = open(t, new Requester<Uint8Array, Uint8Array>({ codec }));
  void replier.serve((_, { headers }) => Buffer.from(headers.traceparent ?? "none"));
  await wire.join(replier, requester);
  const reply = await requester.request(Buffer.alloc(0), { headers: TRACE });
  assert.equal(reply.toString(), TRACE.traceparent);
});

test("headers: those of the call are sent, however long the call waits", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<string>({ queueBytesMax: 1_000 }));
  const pull = open(t, new Pull<string>());
  const sent = range(100).map((n) => {
    const headers: Record<string, string> = { n: `${n}` };
    const sending = push.send("x".repeat(100), { headers });
    headers.n = "changed";
    return sending;
  });
  assert.ok(push.stats().waitingSends > 0);
  await wire.join(push, pull);
  const found = (await take(pull.messages(), 100)).map(({ headers }) => headers.n);
  assert.deepEqual(found, range(100).map(String));
  await Promise.all(sent);
});

test("headers: frames of any length that a sender makes are within what a receiver takes", async (t) => {
  const wire = wireOf(t, "tcp");
  const batch = { batchBytesMax: 2 ** 20, batchCountMax: 65_536 };
  const push = open(t, new Push<number>({ batch }));
  const pull = open(t, new Pull<number>());
  const errors = errorsOf(pull);
  await wire.join(push, pull);
  const headers = Object.fromEntries(range(60).map((n) => [String.fromCharCode(60 + n), ""]));
  const count = 1_000;
  for (const n of range(count)) void push.send(n, { headers });
  const found = await take(pull.messages(), count);
  assert.deepEqual(found[count - 1], { value: count - 1, headers });
  assert.deepEqual(errors, []);
});

test("headers: a frame of more than its elements allow is refused, and the next one read", async (t) => {
  const wire = wireOf(t, "tcp");
  const batch = { batchBytesMax: 2 ** 20, batchCountMax: 65_536 };
  // A sender that allows itself more.
  const push = open(t, new Push<number>({ batch, messageElementsMax: 2 ** 30 }));
  const pull = open(t, new Pull<number>());
  const errors = errorsOf(pull);
  await wire.join(push, pull);
  const headers = Object.fromEntries(range(60).map((n) => [String.fromCharCode(60 + n), ""]));
  const sent = range(1_000).map((n) => push.send(n, { headers }));
  await Promise.all(sent);
  await push.send(-1);
  for await (const value of pull) if (value === -1) break;
  assert.ok(errors.some((error) => /more than 16384 in a frame/.test(error.message)));
  assert.ok(errors.every((error) => error.code === "BROKERLESS_PROTOCOL"));
});

test("headers: a schema keeps to each value its own", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<unknown>());
  const pull = open(t, new Pull<number>({ schema: z.number() }));
  errorsOf(pull);
  await wire.join(push, pull);
  for (const [value, n] of [
    [1, "1"],
    ["two", "2"],
    [3, "3"],
  ] as const) {
    void push.send(value, { headers: { n } });
  }
  assert.deepEqual(await take(pull.messages(), 2), [
    { value: 1, headers: { n: "1" } },
    { value: 3, headers: { n: "3" } },
  ]);
});

test("headers: what can be none is a TypeError of every call, and nothing is sent", async (t) => {
  const push = open(t, new Push<number>());
  const reliable = open(t, new Push<number>({ reliable: true }));
  const publisher = open(t, new Publisher<{ a: number }>());
  const dealer = open(t, new Dealer<number>());
  const requester = open(t, new Requester<number, number>());
  const headers = { a: 1 } as never;
  for (const [call, sent] of [
    ["send", push.send(1, { headers })],
    ["send", reliable.send(1, { headers })],
    ["publish", publisher.publish("a", 1, { headers })],
    ["send", dealer.send(1, { headers })],
    ["request", requester.request(1, { headers })],
  ] as const) {
    const message = new RegExp(`^${call}: header "a" must be a well-formed string`);
    await assert.rejects(sent, { name: "TypeError", message });
  }
  assert.equal(push.stats().queuedMessages + reliable.stats().queuedMessages, 0);
  const small = open(t, new Push<number>({ headersCountMax: 1, headersBytesMax: 10 }));
  await assert.rejects(small.send(1, { headers: { a: "1", b: "2" } }), /headersCountMax is 1/);
  await assert.rejects(small.send(1, { headers: { a: "12345678" } }), /headersBytesMax is 10/);
});

test("headers: a plain receiver refuses a frame beyond its bounds, and takes the next", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>({ headersBytesMax: 20 }));
  const errors = errorsOf(pull);
  await wire.join(push, pull);
  await push.send(1, { headers: TRACE });
  await push.send(2, { headers: { a: "1" } });
  assert.equal(await pull.receive(), 2);
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["BROKERLESS_TOO_LARGE"],
  );
  assert.equal(pull.stats().framesRefused, 1);
});

test("headers: a request beyond the replier's bounds is refused with its error", async (t) => {
  const wire = wireOf(t, "tcp");
  const replier = open(t, new Replier<number, number>({ headersCountMax: 1 }));
  const requester = open(t, new Requester<number, number>());
  errorsOf(replier);
  void replier.serve((n) => n);
  await wire.join(replier, requester);
  await assert.rejects(requester.request(1, { headers: { a: "1", b: "2" } }), {
    remoteCode: "BROKERLESS_TOO_LARGE",
  });
  assert.equal(await requester.request(2, { headers: { a: "1" } }), 2);
});

test("headers: reliable sockets deliver them, again after a nack, and in dead letters", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<string>({ reliable: true, attemptsMax: 2, retryMs: 1 }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  await wire.join(push, pull);
  const seen: unknown[] = [];
  void pull.run((value, { headers, attempt }) => {
    seen.push([value, headers, attempt]);
    if (value === "bad") throw new Error("no");
  });
  const dead = push.send("bad", { headers: TRACE, confirm: "processed" });
  await assert.rejects(dead, BrokerlessError);
  await push.send("good", { headers: { a: "1" }, confirm: "processed" });
  await push.send("bare", { confirm: "processed" });
  assert.deepEqual(seen, [
    ["bad", TRACE, 1],
    ["bad", TRACE, 2],
    ["good", { a: "1" }, 1],
    ["bare", NONE, 1],
  ]);
  const letters = [];
  for await (const { value, headers } of push.deadLetters) letters.push({ value, headers });
  assert.deepEqual(letters, [{ value: "bad", headers: TRACE }]);
});

test("headers: a loop over messages of a reliable pull has them, and acknowledges", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<string>({ reliable: true }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  await wire.join(push, pull);
  const sent = ["a", "b"].map((value) =>
    push.send(value, { headers: { value }, confirm: "processed" }),
  );
  const seen = [];
  for await (const { value, headers, ...known } of pull.messages()) {
    seen.push({ value, headers, ...known, id: "" });
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, [
    { value: "a", headers: { value: "a" }, seq: 1, attempt: 1, id: "" },
    { value: "b", headers: { value: "b" }, seq: 2, attempt: 1, id: "" },
  ]);
  await sent[0];
});

test("headers: they survive a restart of the sender, and a requeue", async (t) => {
  const world = new World(t);
  const directory = world.directory();
  const first = await FileJournal.open(directory);
  const before = new Push<string>({ journal: first });
  await before.send("waits", { headers: TRACE, deduplicationId: "once" });
  await before.close();
  await first.close();
  const journal = await world.journal(directory);
  const push = world.socket(new Push<string>({ journal, attemptsMax: 1 }));
  const pull = world.socket(new Pull<string>({ reliable: true }));
  await wireOf(t, "tcp").join(push, pull);
  const seen: MessageHeaders[] = [];
  void pull.run((_, { headers }) => {
    seen.push(headers);
    if (seen.length === 1) throw new Error("no");
  });
  await eventually(() => assert.equal(push.deadLetters.count, 1));
  await push.deadLetters.requeue();
  await eventually(() => assert.deepEqual(seen, [TRACE, TRACE]));
  await world.end();
});

test("headers: beyond a reliable receiver's bounds a message becomes a dead letter that says so", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<string>({ reliable: true }));
  const pull = open(t, new Pull<string>({ reliable: true, headersCountMax: 1 }));
  errorsOf(pull);
  await wire.join(push, pull);
  const values: string[] = [];
  void pull.run((value) => void values.push(value));
  const sent = [
    push.send("many", { headers: { a: "1", b: "2" }, confirm: "processed" }),
    push.send("few", { headers: { a: "1" }, confirm: "processed" }),
  ];
  await assert.rejects(sent[0]!, { code: "BROKERLESS_DEAD_LETTER" });
  await sent[1];
  assert.deepEqual(values, ["few"]);
  for await (const { reason } of push.deadLetters) assert.match(reason, /headersCountMax, 1/);
});

for (const reliable of [false, true]) {
  const kind = reliable ? "reliable" : "plain";
  test(`headers: trySend of a ${kind} socket takes them as they are at the call`, async (t) => {
    const push = open(t, new Push<number>({ reliable }));
    const pull = open(t, new Pull<number>({ reliable }));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    await push.ready();
    const headers: Record<string, string> = { ...TRACE };
    assert.equal(push.trySend(1, { headers }), true);
    headers.traceparent = "another";
    assert.equal(push.trySend(2), true);
    assert.equal(push.trySend(3, {}), true);
    const messages = await take(pull.messages(), 3);
    const seen = messages.map(({ value, headers }) => ({ value, headers }));
    assert.deepEqual(seen, [
      { value: 1, headers: TRACE },
      { value: 2, headers: NONE },
      { value: 3, headers: NONE },
    ]);
  });
}

test("headers: tryPublish, and trySend of a dealer, take them too", async (t) => {
  const wire = wireOf(t, "tcp");
  const publisher = open(t, new Publisher<{ topic: number }>());
  const subscriber = open(t, new Subscriber<{ topic: number }>());
  subscriber.subscribe("topic");
  await wire.join(publisher, subscriber);
  assert.equal(publisher.tryPublish("topic", 1, { headers: TRACE }), true);
  assert.deepEqual((await subscriber.receive()).headers, TRACE);
  const router = open(t, new Router<number>());
  const dealer = open(t, new Dealer<number>());
  await wire.join(router, dealer);
  assert.equal(dealer.trySend(1, { headers: TRACE }), true);
  assert.deepEqual((await router.receive()).headers, TRACE);
});

test("headers: what trySend and tryPublish do not know is a TypeError, and nothing is sent", (t) => {
  const push = open(t, new Push<number>());
  const publisher = open(t, new Publisher<{ topic: number }>());
  const reliable = open(t, new Push<number>({ reliable: true }));
  const dealer = open(t, new Dealer<number>());
  const wrong: readonly unknown[] = [
    { header: TRACE },
    { headers: 5 },
    { headers: { a: 1 } },
    { timeoutMs: 5 },
    { confirm: "queued" },
    { deduplicationId: "a" },
    null,
    0,
  ];
  for (const options of wrong as never[]) {
    const text = JSON.stringify(options);
    for (const socket of [push, reliable, dealer]) {
      assert.throws(() => socket.trySend(1, options), TypeError, text);
      assert.equal(socket.stats().queuedMessages, 0);
    }
    assert.throws(() => publisher.tryPublish("topic", 1, options), /tryPublish/, text);
  }
});
