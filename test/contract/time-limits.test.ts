import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  Subscriber,
  type WaitOptions,
} from "../../lib/index.ts";
import type { Channel } from "../../lib/transport/channel.ts";
import { eachTransport, type Wire, wireOf } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, open } from "../support/fixtures.ts";
import { compute } from "../support/loop.ts";

/** Longer than a reader may go on before the event loop has to turn (milliseconds). */
const LONG_MS = 12;

/**
 * Calls when timers are next in the event loop, after a turn that took long, and lets the time limit of the call pass
 * before anything that has arrived can be looked at.
 */
async function expired<T>(t: TestContext, call: () => Promise<T>): Promise<T> {
  await turn();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let ms = 0; ms < LONG_MS; ms++) compute();
  const called = call();
  t.mock.timers.tick(10_000);
  t.mock.timers.reset();
  return await called;
}

/** What ZeroMQ holds for a socket that nobody reads. */
async function arrived(socket: object): Promise<void> {
  const { native } = (socket as { readonly channel: Channel }).channel;
  await eventually(() => assert.ok(native.readable));
}

interface Receiver {
  receive(options: WaitOptions): Promise<unknown>;
}

/** For each role a socket that has a message, and that nobody has read. */
const ROLES: Readonly<Record<string, (t: TestContext, wire: Wire) => Promise<Receiver>>> = {
  async Pull(t, wire) {
    const [push, pull] = [open(t, new Push()), open(t, new Pull())];
    await wire.join(push, pull);
    await push.send(1);
    await arrived(pull);
    return pull;
  },
  async Subscriber(t, wire) {
    const [publisher, subscriber] = [open(t, new Publisher()), open(t, new Subscriber())];
    subscriber.subscribe("a");
    await wire.join(publisher, subscriber);
    await publisher.publish("a", 1);
    await arrived(subscriber);
    return subscriber;
  },
  async Dealer(t, wire) {
    const [router, dealer] = [open(t, new Router()), open(t, new Dealer())];
    await wire.join(router, dealer);
    await dealer.send(0);
    await router.send((await router.receive()).peer, 1);
    await arrived(dealer);
    return dealer;
  },
  async Router(t, wire) {
    const [router, dealer] = [open(t, new Router()), open(t, new Dealer())];
    await wire.join(router, dealer);
    await dealer.send(1);
    await arrived(router);
    return router;
  },
  async "reliable Pull"(t, wire) {
    const push = open(t, new Push({ reliable: true }));
    const pull = open(t, new Pull({ reliable: true }));
    await wire.join(push, pull);
    await push.send(1, { confirm: "delivered" });
    return pull;
  },
};

for (const [role, make] of Object.entries(ROLES)) {
  eachTransport(
    `time limits: a ${role} looks for a message before it gives up`,
    async (t, wire) => {
      const socket = await make(t, wire);
      const received = await expired(t, () => socket.receive({ timeoutMs: 0 }));
      assert.equal((received as { value?: unknown }).value ?? received, 1);
      await assert.rejects(socket.receive({ timeoutMs: 0 }), { code: "BROKERLESS_TIMEOUT" });
    },
  );
}

// Only over inproc is a message with its receiver as soon as ZeroMQ has it.
test("time limits: a call of receive that waits looks for a message before it gives up", async (t) => {
  const [push, pull] = [open(t, new Push()), open(t, new Pull())];
  await wireOf(t, "inproc").join(push, pull);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const received = pull.receive({ timeoutMs: 10_000 });
  await turn();
  void push.send(1);
  await push.drain();
  t.mock.timers.tick(10_000);
  t.mock.timers.reset();
  assert.equal(await received, 1);
});

test("time limits: a Requester looks for a reply before it gives up", async (t) => {
  const [replier, requester] = [open(t, new Replier()), open(t, new Requester())];
  await wireOf(t, "inproc").join(replier, requester);
  const [asked, released] = [gate(), gate()];
  void replier.serve(async () => {
    asked.open();
    await released.promise;
    return 1;
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const replied = requester.request(0, { timeoutMs: 10_000 });
  await asked.promise;
  released.open();
  await replier.drain();
  t.mock.timers.tick(10_000);
  t.mock.timers.reset();
  assert.equal(await replied, 1);
});

test("time limits: a request that was not asked in time is not asked any more", async (t) => {
  const [replier, requester] = [open(t, new Replier()), open(t, new Requester())];
  const address = "inproc://time-limits";
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const unasked = requester.request(0, { timeoutMs: 1 });
  t.mock.timers.tick(1);
  t.mock.timers.reset();
  requester.connect(await replier.bind(address));
  await assert.rejects(unasked, { code: "BROKERLESS_TIMEOUT" });
  const requests: unknown[] = [];
  void replier.serve((request) => requests.push(request));
  await requester.request(1);
  assert.deepEqual(requests, [1]);
});
