/** What zeromq.js does to messages, timers and other sockets, and what must not happen with us. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Dealer, Publisher, Pull, Push, Replier, Requester, Router, raw } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, gate, open, range, take } from "../support/fixtures.ts";

/** Enough for many turns of the event loop (count). */
const STREAM = 300_000;
const BODY = new Uint8Array(100_000);
/** One message a frame, and few frames, so that little fills everything. */
const NARROW = { batch: false, peerFramesMax: 2, queueBytesMax: 1_000_000 } as const;

/** Counts how often a timer of one millisecond fires. */
function ticks(t: { after(end: () => void): void }): { count: number } {
  const counter = { count: 0 };
  const timer = setInterval(() => {
    counter.count += 1;
  }, 1);
  t.after(() => clearInterval(timer));
  return counter;
}

eachTransport("512 rule: timers fire while a loop awaits every send", async (t, wire) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const receiving = (async () => {
    let seen = 0;
    for await (const batch of pull.batches()) {
      seen += batch.length;
      if (seen === STREAM) break;
    }
  })();
  const timer = ticks(t);
  for (let n = 0; n < STREAM; n++) await push.send(n);
  assert.equal(timer.count >= 3, true, `${timer.count} ticks`);
  await receiving;
});

for (const way of ["for await", "batches", "receive", "run"] as const) {
  eachTransport(`512 rule: timers fire while a stream is consumed by ${way}`, async (t, wire) => {
    const push = open(t, new Push<number>());
    const pull = open(t, new Pull<number>());
    await wire.join(push, pull);
    const sending = (async () => {
      for (let n = 0; n < STREAM; n++) await push.send(n);
    })();
    const timer = ticks(t);
    let next = 0;
    const check = (n: number): boolean => {
      if (n !== next) assert.equal(n, next);
      next += 1;
      return next === STREAM;
    };
    if (way === "for await") {
      for await (const n of pull) if (check(n)) break;
    } else if (way === "batches") {
      for await (const batch of pull.batches()) if (batch.map(check).at(-1)) break;
    } else if (way === "receive") {
      while (!check(await pull.receive()));
    } else {
      const end = new AbortController();
      const running = pull.run((n) => check(n) && end.abort(new Error("all")), {
        signal: end.signal,
      });
      await assert.rejects(running, /all/);
    }
    assert.equal(timer.count >= 3, true, `${timer.count} ticks`);
    await sending;
  });
}

test("512 rule: timers fire while publishing to nobody, each publish awaited", async (t) => {
  const publisher = open(t, new Publisher());
  await publisher.bind("tcp://127.0.0.1:*");
  const timer = ticks(t);
  for (let n = 0; n < STREAM; n++) await publisher.publish("a", n);
  assert.equal(timer.count >= 3, true, `${timer.count} ticks`);
});

test("rule 2: peers that come and go freeze no other socket", async (t) => {
  const wire = wireOf(t, "tcp");
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const server = open(t, new Router());
  const address = await server.bind(wire.address());
  for (const round of range(30)) {
    const dealers = range(5).map(() => new Dealer());
    for (const dealer of dealers) dealer.connect(address);
    await Promise.all(dealers.map((dealer) => dealer.ready()));
    await push.send(round);
    assert.equal(await pull.receive(), round);
    await Promise.all(dealers.map((dealer) => dealer.close()));
  }
  await eventually(() => assert.equal(server.stats().peers, 0));
});

for (const transport of ["tcp", "ipc", "inproc"] as const) {
  test(`rule 5: an address is free when unbind or close has resolved (${transport})`, async (t) => {
    const first = open(t, new Pull());
    const address = await first.bind(wireOf(t, transport).address());
    await first.unbind(address);
    for (const _ of range(20)) {
      const pull = open(t, new Pull());
      assert.equal(await pull.bind(address), address);
      await pull.unbind(address);
      assert.equal(await pull.bind(address), address);
      await pull.close();
    }
  });
}

eachTransport(
  "rule 8: bytes given to send may be changed when it has resolved",
  async (t, wire) => {
    const push = open(t, new Push<Uint8Array>({ codec: raw() }));
    const pull = open(t, new Pull<Uint8Array>({ codec: raw() }));
    await wire.join(push, pull);
    const sizes = [1, 128, 129, 5_000, 65_536, 300_000];
    for (const size of sizes) {
      const body = new Uint8Array(size).fill(1);
      await push.send(body);
      body.fill(2);
    }
    const got = await take(pull, sizes.length);
    for (const [index, body] of got.entries()) {
      assert.equal(
        Buffer.compare(body, new Uint8Array(sizes[index]!).fill(1)),
        0,
        `${body.length}`,
      );
    }
  },
);

eachTransport("rule 8: received bytes stay what they were", async (t, wire) => {
  const push = open(t, new Push<Uint8Array>({ codec: raw() }));
  const pull = open(t, new Pull<Uint8Array>({ codec: raw() }));
  await wire.join(push, pull);
  const sending = (async () => {
    for (const n of range(2_000)) await push.send(new Uint8Array(200).fill(n % 251));
  })();
  const kept = await take(pull, 2_000);
  await sending;
  for (const [n, body] of kept.entries()) {
    assert.equal(Buffer.compare(body, new Uint8Array(200).fill(n % 251)), 0, `message ${n}`);
  }
});

eachTransport(
  "rules 9 and 12: a receive that gave up takes no message, in any role",
  async (t, wire) => {
    const router = open(t, new Router<string>());
    const dealer = open(t, new Dealer<string>());
    await wire.join(router, dealer);
    await assert.rejects(router.receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
    await assert.rejects(dealer.receive({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
    const controller = new AbortController();
    const given = range(10).map(() => router.receive({ signal: controller.signal }));
    controller.abort();
    for (const each of given) await assert.rejects(each, { name: "AbortError" });
    await dealer.send("question");
    const { peer, value } = await router.receive();
    assert.equal(value, "question");
    await router.send(peer, "answer");
    assert.equal(await dealer.receive(), "answer");
  },
);

eachTransport("rule 12: loops and receives share one socket without EBUSY", async (t, wire) => {
  const push = open(t, new Push<number>());
  const pull = open(t, new Pull<number>());
  await wire.join(push, pull);
  const seen: number[] = [];
  const all = gate();
  const note = (n: number): void => {
    if (seen.push(n) === 1_000) all.open();
  };
  const loops = range(4).map(async () => {
    for await (const n of pull) note(n);
  });
  const calls = range(20).map(async () => note(await pull.receive()));
  for (const n of range(1_000)) void push.send(n);
  await all.promise;
  await Promise.all(calls);
  await pull.close();
  await Promise.all(loops);
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    range(1_000),
  );
});

eachTransport(
  "high water: a bound PUSH without a peer waits, then delivers all",
  async (t, wire) => {
    const push = open(t, new Push<number>());
    const address = await push.bind(wire.address());
    for (const n of range(5_000)) void push.send(n);
    await assert.rejects(push.drain({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
    assert.equal(push.stats().messagesSent, 0);
    const pull = open(t, new Pull<number>());
    pull.connect(address);
    assert.deepEqual(await take(pull, 5_000), range(5_000));
  },
);

eachTransport(
  "high water: a connected PUSH whose peer is down waits, then delivers all",
  async (t, wire) => {
    const address = await freeAddress(wire.address());
    const push = open(t, new Push<Uint8Array>({ ...NARROW, codec: raw() }));
    push.connect(address);
    let accepted = 0;
    while (push.trySend(BODY)) accepted += 1;
    assert.equal(accepted, 10, "what queueBytesMax holds");
    assert.equal(push.stats().messagesSent, 0);
    const last = push.send(Uint8Array.of(1));
    const pull = open(t, new Pull<Uint8Array>({ ...NARROW, codec: raw() }));
    await pull.bind(address);
    const got = await take(pull, accepted + 1);
    await last;
    assert.equal(got.at(-1)!.length, 1);
  },
);

/** An address that can be bound, and is not. */
async function freeAddress(address: string): Promise<string> {
  const pull = new Pull();
  const bound = await pull.bind(address);
  await pull.close();
  return bound;
}

eachTransport(
  "high water: a PUSH passes over a stuck peer, and fills no further",
  async (t, wire) => {
    const push = open(t, new Push<Uint8Array>({ ...NARROW, codec: raw() }));
    const stuck = open(t, new Pull<Uint8Array>({ ...NARROW, codec: raw() }));
    const quick = open(t, new Pull<Uint8Array>({ ...NARROW, codec: raw() }));
    await wire.join(push, stuck, quick);
    let got = 0;
    const reading = (async () => {
      for await (const _ of quick) if (++got === 200) break;
    })();
    let sent = 0;
    const sending = (async () => {
      while (got < 200) {
        await push.send(BODY);
        sent += 1;
      }
    })();
    await reading;
    await sending;
    assert.equal(sent >= 200, true);
    await eventually(() => assert.equal(push.trySend(BODY), false));
  },
);

eachTransport(
  "high water: a ROUTER says UNROUTABLE of a peer it does not know",
  async (t, wire) => {
    const router = open(t, new Router<string>());
    const errors = errorsOf(router);
    await router.bind(wire.address());
    await assert.rejects(router.send("nobody", "x"), {
      code: "BROKERLESS_UNROUTABLE",
      retryable: true,
    });
    await assert.rejects(router.send("", "x"), TypeError);
    assert.deepEqual(
      errors.map(({ code }) => code),
      ["BROKERLESS_UNROUTABLE"],
    );
    assert.equal(router.stats().messagesDropped, 1);
    const dealer = open(t, new Dealer<string>());
    await wire.join(router, dealer);
    await dealer.send("hello");
    const { peer } = await router.receive();
    await router.send(peer, "there");
    assert.equal(await dealer.receive(), "there");
  },
);

eachTransport(
  "high water: a ROUTER whose only peer is stuck still serves a new one",
  async (t, wire) => {
    const router = open(t, new Router<Uint8Array>({ ...NARROW, codec: raw() }));
    const stuck = open(t, new Dealer<Uint8Array>({ ...NARROW, codec: raw() }));
    const address = await wire.join(router, stuck);
    await stuck.send(Uint8Array.of(1));
    const { peer } = await router.receive();
    const waiting = range(300).map(() => router.send(peer, BODY));
    await eventually(() => assert.notEqual(router.stats().waitingSends, 0));
    const healthy = open(t, new Dealer<Uint8Array>({ ...NARROW, codec: raw() }));
    healthy.connect(address);
    await healthy.send(Uint8Array.of(2));
    const second = await router.receive();
    for (const n of range(100)) {
      await router.send(second.peer, Uint8Array.of(n));
      assert.deepEqual([...(await healthy.receive())], [n]);
    }
    assert.equal((await take(stuck, 300)).length, 300);
    await Promise.all(waiting);
  },
);

eachTransport("high water: a REQ that timed out can ask again at once", async (t, wire) => {
  const requester = open(t, new Requester<number, number>());
  const replier = open(t, new Replier<number, number>());
  await wire.join(replier, requester);
  for (const _ of range(50)) {
    await assert.rejects(requester.request(-1, { timeoutMs: 0 }), { code: "BROKERLESS_TIMEOUT" });
  }
  void replier.serve((n) => n);
  assert.equal(await requester.request(5), 5);
});

test("defaults: a message over the limit is refused at send, and no loop resends it", async (t) => {
  const push = open(t, new Push<Uint8Array>({ ...NARROW, codec: raw(), messageBytesMax: 1_000 }));
  const pull = open(t, new Pull<Uint8Array>({ ...NARROW, codec: raw(), messageBytesMax: 1_000 }));
  await wireOf(t, "tcp").join(push, pull);
  await assert.rejects(push.send(new Uint8Array(1_001)), { code: "BROKERLESS_TOO_LARGE" });
  await push.send(new Uint8Array(1_000));
  assert.equal((await pull.receive()).length, 1_000);
  assert.equal(push.stats().peers, 1);
});
