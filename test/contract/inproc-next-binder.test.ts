/** A connected inproc address whose binder goes, and another one comes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Publisher, Pull, Push, Subscriber, type TypedSocket } from "../../lib/index.ts";
import { bindPresence } from "../../lib/transport/inproc/presence.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";
import { NEVER_MS, type Returning, type Step } from "../support/returning-binder.ts";
import { ROLES } from "../support/roles.ts";
import { startThread } from "../support/thread.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const THREAD = new URL("../support/returning-binder.ts", import.meta.url).href;
/** A connector that finds the former binder once is not connected again: one in three rounds did (count). */
const ROUNDS = 20;
let names = 0;

function nextAddress(): string {
  return `inproc://contract-next-binder-${++names}`;
}

/** A socket in a thread. @returns what makes it take a step, and resolves when that is done */
function inThread(t: TestContext, returning: Returning): (step: Step) => Promise<void> {
  const thread = startThread(THREAD, returning);
  const ask = async (step: Step): Promise<void> => {
    const reply = once(thread, "message");
    thread.postMessage(step);
    assert.deepEqual(await reply, [step]);
  };
  t.after(async () => {
    const ended = once(thread, "exit");
    await ask("end");
    await ended;
  });
  return ask;
}

for (const { role, make, makePeer } of ROLES) {
  const claim = `inproc: a ${role} that connects finds each next binder`;

  test(`${claim}, in another thread`, { timeout: WATCHDOG_MS }, async (t) => {
    const address = nextAddress();
    const ask = inThread(t, { peerOf: role, address, connects: false });
    const socket = open(t, make());
    socket.connect(address);
    for (let round = 0; round < ROUNDS; round++) {
      await ask("bind");
      await socket.ready({ timeoutMs: NEVER_MS });
      await ask("close");
      await eventually(() => assert.equal(socket.stats().peers, 0));
    }
  });

  const reverse = `inproc: the peer of a ${role}, in a thread, finds each next ${role} that binds`;
  test(reverse, { timeout: WATCHDOG_MS }, async (t) => {
    const address = nextAddress();
    const ask = inThread(t, { peerOf: role, address, connects: true });
    for (let round = 0; round < ROUNDS; round++) {
      const socket = open(t, make());
      await socket.bind(address);
      await ask("ready");
      await socket.close();
    }
  });

  test(`${claim}, where the first one leaves in the same moment`, async (t) => {
    const address = nextAddress();
    const first = open(t, makePeer());
    await first.bind(address);
    const socket: TypedSocket = open(t, make());
    socket.connect(address);
    await first.close();
    await open(t, makePeer()).bind(address);
    await socket.ready({ timeoutMs: NEVER_MS });
  });
}

test("inproc: what was sent to a binder that leaves in the same moment does not block the next", async (t) => {
  const address = nextAddress();
  const first = open(t, new Pull<number>());
  await first.bind(address);
  const push = open(t, new Push<number>());
  push.connect(address);
  await first.close();
  const next = open(t, new Pull<number>());
  await next.bind(address);
  await push.ready({ timeoutMs: NEVER_MS });
  await push.send(1);
  assert.equal(await next.receive({ timeoutMs: NEVER_MS }), 1);
});

test("inproc: what a binder sent that came and went before anybody looked is delivered", async (t) => {
  const address = nextAddress();
  const pull = open(t, new Pull<number>());
  const passing = new zmq.Push({ linger: 0 });
  await passing.bind(address);
  // As a binder of this package, whose presence nobody reads meanwhile.
  const presence = bindPresence(address, { joined: () => {}, ended: () => {} });
  pull.connect(address);
  await passing.send("\x01");
  presence.announce("gone");
  passing.close();
  presence.close("gone");
  const next = open(t, new Push<number>());
  await eventually(() => next.bind(address));
  await pull.ready({ timeoutMs: NEVER_MS });
  assert.equal(await pull.receive({ timeoutMs: NEVER_MS }), 1);
});

test("inproc: a Subscriber gets all once, though two binders have changed before it looked", async (t) => {
  const address = nextAddress();
  const subscriber = open(t, new Subscriber<{ count: number }>());
  subscriber.subscribe("count");
  subscriber.connect(address);
  const first = open(t, new Publisher<{ count: number }>());
  await first.bind(address);
  await first.ready();
  await first.close();
  await eventually(() => assert.equal(subscriber.stats().peers, 0));
  const passing = open(t, new Publisher<{ count: number }>());
  await passing.bind(address);
  await passing.close();
  const last = open(t, new Publisher<{ count: number }>());
  await last.bind(address);
  await last.ready({ timeoutMs: NEVER_MS });
  for (const count of [1, 2, 3]) await last.publish("count", count);
  for (const count of [1, 2, 3]) {
    assert.equal((await subscriber.receive({ timeoutMs: NEVER_MS })).value, count);
  }
});

/** More than {@link NEVER_MS}: a Subscriber must not depend on its end (milliseconds). */
const LONG_LINGER_MS = 60_000;

test("inproc: a Subscriber that waits gets the first message after ready", async (t) => {
  const address = nextAddress();
  const subscriber = open(t, new Subscriber<{ count: number }>({ lingerMs: LONG_LINGER_MS }));
  subscriber.subscribe("count");
  subscriber.connect(address);
  const received = subscriber.receive({ timeoutMs: NEVER_MS });
  const first = open(t, new Publisher<{ count: number }>());
  await first.bind(address);
  await first.ready();
  await first.close();
  const next = open(t, new Publisher<{ count: number }>());
  await next.bind(address);
  await next.ready();
  await next.publish("count", 1);
  assert.equal((await received).value, 1);
});
