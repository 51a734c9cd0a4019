import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { BrokerlessError, Dealer, type Routed, Router, raw } from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open, range, take } from "../support/fixtures.ts";

const code = (expected: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === expected;

eachTransport("router: answers go to the peer that asked, in its order", async (t, wire) => {
  const router = open(t, new Router<string, number>());
  const dealers = range(3).map(() => open(t, new Dealer<number, string>()));
  await wire.join(router, ...dealers);
  for (const dealer of dealers) for (const n of range(500)) void dealer.send(n);
  void (async () => {
    for await (const { peer, value } of router) void router.send(peer, `${peer}:${value}`);
  })();
  for (const dealer of dealers) {
    const answers = await take(dealer, 500);
    const peer = answers[0]!.split(":")[0];
    assert.deepEqual(
      answers,
      range(500).map((n) => `${peer}:${n}`),
    );
  }
  assert.ok(router.stats().framesSent < 1_500, "answers to one peer share frames");
});

eachTransport("router: awaited answers in a loop share frames too", async (t, wire) => {
  const router = open(t, new Router<number, string>());
  const dealer = open(t, new Dealer<string, number>());
  await wire.join(router, dealer);
  await dealer.send("here");
  const { peer } = await router.receive();
  for (const n of range(5_000)) await router.send(peer, n);
  assert.deepEqual(await take(dealer, 5_000), range(5_000));
  assert.ok(router.stats().framesSent < 1_000, `${router.stats().framesSent} frames`);
});

eachTransport(
  "router: a peer that is not there is UNROUTABLE, counted and reported",
  async (t, wire) => {
    const router = open(t, new Router<string>());
    const errors = errorsOf(router);
    await router.bind(wire.address());
    await assert.rejects(router.send("nobody", "hello"), code("BROKERLESS_UNROUTABLE"));
    await assert.rejects(router.send("#00ff", "hello"), code("BROKERLESS_UNROUTABLE"));
    await assert.rejects(router.send("", "hello"), TypeError);
    await assert.rejects(router.send("two words", "hello"), TypeError);
    assert.deepEqual(
      errors.map((error) => error.code),
      ["BROKERLESS_UNROUTABLE", "BROKERLESS_UNROUTABLE"],
    );
    assert.equal(router.stats().messagesDropped, 2);
    assert.equal(router.stats().queuedMessages, 0);
  },
);

eachTransport(
  "router: a peer that goes away becomes UNROUTABLE, and the others do not notice",
  async (t, wire) => {
    const router = open(t, new Router<string, string>());
    const leaver = open(t, new Dealer<string, string>());
    const stayer = open(t, new Dealer<string, string>());
    const address = await wire.join(router, leaver);
    await leaver.send("leaver");
    const gone = (await router.receive()).peer;
    await router.send(gone, "welcome");
    assert.equal(await leaver.receive(), "welcome");
    stayer.connect(address);
    await stayer.send("stayer");
    const there = (await router.receive()).peer;
    await leaver.close();
    await eventually(() => assert.equal(router.stats().peers, 1));
    // A message may still go the way of the one who is gone, before ZeroMQ looks.
    await eventually(() =>
      assert.rejects(router.send(gone, "too late"), code("BROKERLESS_UNROUTABLE")),
    );
    assert.ok(router.stats().messagesDropped > 0);
    await router.send(there, "still here");
    assert.equal(await stayer.receive(), "still here");
  },
);

eachTransport("router: a peer that does not read holds back nobody else", async (t, wire) => {
  const options = { codec: raw(), queueBytesMax: 100_000, peerFramesMax: 2 };
  const router = open(t, new Router<Uint8Array>(options));
  const stuck = open(t, new Dealer<Uint8Array>(options));
  const brisk = open(t, new Dealer<Uint8Array>(options));
  await wire.join(router, stuck, brisk);
  await stuck.send(Buffer.from("stuck"));
  const first = await router.receive();
  await brisk.send(Buffer.from("brisk"));
  const second = await router.receive();
  const chunk = Buffer.alloc(60_000);
  let full = false;
  const filling = (async () => {
    // Until send waits: kernel, ZeroMQ and our queue are full.
    for (let sent = 0; sent < 2_000 && !full; sent++) await router.send(first.peer, chunk);
  })();
  await eventually(() => assert.ok(router.stats().waitingSends > 0));
  full = true;
  for (const n of range(50)) {
    await router.send(second.peer, Buffer.from([n]));
    assert.equal((await brisk.receive())[0], n);
  }
  // It reads at last, and gets what was waiting.
  void (async () => {
    for await (const _ of stuck);
  })();
  await filling;
  await router.drain();
});

eachTransport("dealer: sends are dealt out evenly, and answers come from all", async (t, wire) => {
  const dealer = open(t, new Dealer<number, string>());
  const routers = range(4).map(() => open(t, new Router<string, number>()));
  const counts = routers.map(() => 0);
  routers.forEach(async (router, index) => {
    for await (const { peer } of router) {
      counts[index]! += 1;
      void router.send(peer, `from ${index}`);
    }
  });
  for (const router of routers) dealer.connect(await router.bind(wire.address()));
  await dealer.ready({ peers: 4 });
  for (const n of range(100)) void dealer.send(n);
  const answers = await take(dealer, 100);
  assert.equal(new Set(answers).size, 4);
  for (const count of counts) assert.ok(count >= 20 && count <= 30, counts.join(" "));
});

eachTransport("dealer: two dealers talk both ways at once", async (t, wire) => {
  const left = open(t, new Dealer<number>());
  const right = open(t, new Dealer<number>());
  await wire.join(left, right);
  for (const n of range(10_000)) {
    void left.send(n);
    void right.send(-n);
  }
  const [fromRight, fromLeft] = await Promise.all([take(left, 10_000), take(right, 10_000)]);
  assert.deepEqual(fromLeft, range(10_000));
  assert.deepEqual(
    fromRight,
    range(10_000).map((n) => -n),
  );
});

eachTransport(
  "router and dealer: schemas of both directions refuse, count and skip",
  async (t, wire) => {
    const Out = z.object({ n: z.number().int() });
    const In = z.string().min(3);
    const router = open(t, new Router({ schema: Out, receiveSchema: In }));
    const dealer = open(t, new Dealer<string, { n: number }>());
    await wire.join(router, dealer);
    const errors = errorsOf(router);
    for (const text of ["one", "no", "three"]) void dealer.send(text);
    const received: Routed<string>[] = await take(router, 2);
    assert.deepEqual(
      received.map(({ value }) => value),
      ["one", "three"],
    );
    const { peer } = received[0]!;
    await assert.rejects(router.send(peer, { n: 0.5 }), code("BROKERLESS_SCHEMA"));
    await router.send(peer, { n: 5 });
    assert.deepEqual(await dealer.receive(), { n: 5 });
    assert.deepEqual(
      errors.map((error) => error.code),
      ["BROKERLESS_SCHEMA", "BROKERLESS_SCHEMA"],
    );
    assert.equal(router.stats().messagesRefused, 1);
    assert.equal(router.stats().sendsRefused, 1);
  },
);

test("router: batches hands over a frame with its peer", async (t) => {
  const router = open(t, new Router<never, number>());
  const dealer = open(t, new Dealer<number>());
  dealer.connect(await router.bind("tcp://127.0.0.1:*"));
  for (const n of range(1_000)) void dealer.send(n);
  const seen: Routed<number>[] = [];
  for await (const batch of router.batches()) {
    seen.push(...batch);
    if (seen.length === 1_000) break;
  }
  assert.deepEqual(
    seen.map(({ value }) => value),
    range(1_000),
  );
  assert.equal(new Set(seen.map(({ peer }) => peer)).size, 1);
});

test("router: close rejects sends that wait, and ends its loops", async (t) => {
  const router = open(t, new Router<Uint8Array>({ codec: raw(), queueBytesMax: 10 }));
  const dealer = open(t, new Dealer<Uint8Array>({ codec: raw() }));
  dealer.connect(await router.bind("tcp://127.0.0.1:*"));
  await dealer.send(Buffer.from("x"));
  const { peer } = await router.receive();
  const loop = take(router, 1);
  const receiving = router.receive();
  await router.close();
  assert.deepEqual(await loop, []);
  await assert.rejects(receiving, code("BROKERLESS_CLOSED"));
  await assert.rejects(router.send(peer, Buffer.from("y")), code("BROKERLESS_CLOSED"));
});

eachTransport(
  "dealer: what was sent before a peer was there goes, although a receive waits",
  async (t, wire) => {
    for (const round of range(40)) {
      const router = open(t, new Router<number, number>());
      const dealer = open(t, new Dealer<number, number>());
      dealer.connect(await router.bind(wire.address()));
      void dealer.send(round);
      const answer = dealer.receive();
      const { peer, value } = await router.receive();
      await router.send(peer, value);
      assert.equal(await answer, round);
      await Promise.all([dealer.close(), router.close()]);
    }
  },
);
