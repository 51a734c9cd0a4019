import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Publisher, Pull, Push, Subscriber } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually, turn } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";
import { hasIpv6 } from "../support/ipv6.ts";
import { resolver } from "../support/resolver.ts";

/** Keeps this thread busy while libzmq's own threads go on. */
function busy(ms: number): void {
  const startMs = performance.now();
  while (performance.now() - startMs < ms);
}

function pair(t: TestContext) {
  const pull = open(t, new Pull<number>({ security: "none" }));
  const push = open(t, new Push<number>());
  const peers = () => [pull.stats().peers, push.stats().peers];
  return { pull, push, peers };
}

eachTransport("channel: an address can be bound again at once, 20 times", async (t, wire) => {
  let address = wire.address();
  for (let round = 0; round < 20; round++) {
    const { pull, push } = pair(t);
    address = await pull.bind(address);
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    await (round % 2 === 0 ? pull.close() : pull.unbind(address));
  }
});

eachTransport(
  "channel: an address in use is BROKERLESS_ADDRESS, and the socket works on",
  async (t, wire) => {
    const { pull, push } = pair(t);
    const address = await pull.bind(wire.address());
    const refused = { name: "BrokerlessError", code: "BROKERLESS_ADDRESS", retryable: true };
    await assert.rejects(push.bind(address), refused);
    await assert.rejects(pull.bind(address), refused);
    push.connect(address);
    await push.ready();
    await push.send(1);
    assert.equal(await pull.receive(), 1);
  },
);

eachTransport(
  "channel: a peer that goes, in whichever way, is gone on both sides",
  async (t, wire) => {
    const { pull, push, peers } = pair(t);
    const address = await wire.join(pull, push);
    push.disconnect(address);
    await eventually(() => assert.deepEqual(peers(), [0, 0]));
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    await pull.unbind(address);
    await eventually(() => assert.deepEqual(peers(), [0, 0]));
    push.disconnect(address);
    await pull.bind(address);
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    await push.send(7);
    assert.equal(await pull.receive(), 7);
  },
);

eachTransport("channel: only what is bound or connected can be given up", async (t, wire) => {
  const { pull, push } = pair(t);
  const address = await wire.join(pull, push);
  const refused = { code: "BROKERLESS_ADDRESS" };
  await assert.rejects(push.unbind(address), refused);
  assert.throws(() => pull.disconnect(address), refused);
  await pull.unbind(address);
  await assert.rejects(pull.unbind(address), refused);
  push.disconnect(address);
  assert.throws(() => push.disconnect(address), refused);
});

eachTransport("channel: to connect twice to one address is to connect once", async (t, wire) => {
  const { pull, push } = pair(t);
  const address = await wire.join(pull, push);
  push.connect(address);
  await push.send(1);
  await pull.receive();
  assert.equal(pull.stats().peers, 1);
});

for (const host of ["*", "0.0.0.0", "localhost"]) {
  test(`channel: peers of "tcp://${host}:*" are gone after unbind`, async (t) => {
    const { pull, push, peers } = pair(t);
    const address = await pull.bind(`tcp://${host}:*`);
    push.connect(address.replace("0.0.0.0", "127.0.0.1"));
    await Promise.all([push.ready(), pull.ready()]);
    await pull.unbind(address);
    await eventually(() => assert.deepEqual(peers(), [0, 0]));
  });
}

test("channel: peers with a host name are counted after any reconnect, and gone after disconnect", async (t) => {
  const { pull: first, push, peers } = pair(t);
  const address = await first.bind("tcp://127.0.0.1:*");
  const named = address.replace("127.0.0.1", "localhost");
  const told: string[] = [];
  push.on("peer", (event) => told.push(event.address));
  push.connect(named);
  await push.ready();
  await first.close();
  await eventually(() => assert.deepEqual(peers()[1], 0));
  const { pull } = pair(t);
  await pull.bind(address);
  await push.ready();
  push.disconnect(named);
  await eventually(() => assert.equal(pull.stats().peers, 0));
  assert.equal(push.stats().peers, 0);
  assert.deepEqual(told, [named, named]);
});

for (const transport of ["tcp", "ipc"] as const) {
  test(`channel: a handshake that is reported after its endpoint was released is no peer (${transport})`, async (t) => {
    const { pull, push, peers } = pair(t);
    const address = await pull.bind(wireOf(t, transport).address());
    push.connect(address);
    busy(30);
    push.disconnect(address);
    await eventually(() => assert.deepEqual(peers(), [0, 0]));
    for (let round = 0; round < 10; round++) {
      push.connect(address);
      busy(2);
      push.disconnect(address);
    }
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    const unbound = pull.unbind(address);
    busy(10);
    await unbound;
    await eventually(() => assert.deepEqual(peers(), [0, 0]));
  });
}

test("channel: an idle socket's disconnect reaches its peer at once", async (t) => {
  const { pull, push } = pair(t);
  const address = await pull.bind("tcp://127.0.0.1:*");
  push.connect(address);
  await Promise.all([push.ready(), pull.ready()]);
  const lost = new Promise((resolve) => pull.on("peerLost", resolve));
  push.disconnect(address);
  await lost;
});

eachTransport(
  "channel: a bound subscriber that nobody reads from tells publishers what it wants",
  async (t, wire) => {
    const subscriber = open(t, new Subscriber());
    const publisher = open(t, new Publisher());
    subscriber.subscribe("a");
    publisher.connect(await subscriber.bind(wire.address()));
    await publisher.ready();
  },
);

for (const transport of ["tcp", "ipc"] as const) {
  test(`channel: a subscriber that nobody reads from sends its subscriptions to a restarted publisher too (${transport})`, async (t) => {
    const subscriber = open(t, new Subscriber());
    subscriber.subscribe("a");
    const first = open(t, new Publisher());
    const address = await wireOf(t, transport).join(first, subscriber);
    await first.close();
    const second = open(t, new Publisher());
    await second.bind(address);
    await second.ready();
  });
}

type Change = (pull: Pull<number>, t: TestContext) => unknown;
const changes: readonly [name: string, change: Change][] = [
  ["connects over tcp", (pull) => pull.connect("tcp://127.0.0.1:1")],
  ["binds over tcp", (pull) => pull.bind("tcp://127.0.0.1:*")],
  ["connects over inproc", (pull) => pull.connect("inproc://channel-nobody")],
  ["binds over inproc", (pull) => pull.bind("inproc://channel-somebody")],
  [
    "disconnects over inproc",
    async (pull) => {
      pull.connect("inproc://channel-nobody-else");
      pull.disconnect("inproc://channel-nobody-else");
    },
  ],
  [
    "unbinds over inproc",
    async (pull) => pull.unbind(await pull.bind("inproc://channel-somebody-else")),
  ],
];

for (const [name, change] of changes) {
  test(`channel: a message that arrives in the turn in which the socket ${name} is received`, async (t) => {
    const { pull, push } = pair(t);
    await wireOf(t, "tcp").join(pull, push);
    const received = pull.receive();
    await new Promise((resolve) => setImmediate(resolve));
    void push.send(1);
    busy(20);
    await change(pull, t);
    assert.equal(await received, 1);
  });
}

eachTransport(
  "channel: a peer of another library works, and is counted where ZeroMQ reports it",
  async (t, wire) => {
    const pull = open(t, new Pull<number>({ batch: false }));
    const address = await pull.bind(wire.address());
    const push = new zmq.Push({ linger: 0 });
    t.after(() => push.close());
    push.connect(address);
    await push.send(Buffer.of(7));
    assert.equal(await pull.receive(), 7);
    const expected = wire.transport === "inproc" ? 0 : 1;
    await eventually(() => assert.equal(pull.stats().peers, expected));
  },
);

test("channel: bind and connect after close are BROKERLESS_CLOSED", async () => {
  const pull = new Pull();
  await pull.close();
  await assert.rejects(pull.bind("tcp://127.0.0.1:*"), { code: "BROKERLESS_CLOSED" });
  assert.throws(() => pull.connect("tcp://127.0.0.1:1"), { code: "BROKERLESS_CLOSED" });
  await assert.rejects(pull.unbind("tcp://127.0.0.1:1"), { code: "BROKERLESS_CLOSED" });
  assert.throws(() => pull.disconnect("tcp://127.0.0.1:1"), { code: "BROKERLESS_CLOSED" });
});

test("channel: a socket closed while it binds frees the address", async (t) => {
  const pull = open(t, new Pull());
  const binding = pull.bind("tcp://127.0.0.1:*");
  void pull.close();
  await assert.rejects(binding, { code: "BROKERLESS_CLOSED" });
});

test("channel: an IPv4 address can be bound, connected and unbound after an IPv6 one, by its usual name", async (t) => {
  if (!(await hasIpv6())) return t.skip("this machine has no IPv6");
  const { pull, push, peers } = pair(t);
  await pull.bind("tcp://[::1]:*");
  const address = await pull.bind("tcp://127.0.0.1:*");
  assert.match(address, /^tcp:\/\/127\.0\.0\.1:\d+$/);
  push.connect(address);
  await Promise.all([push.ready(), pull.ready()]);
  await push.send(1);
  assert.equal(await pull.receive(), 1);
  await pull.unbind(address);
  await eventually(() => assert.deepEqual(peers(), [0, 0]));
  await pull.bind(address);
  await push.ready();
});

test("channel: connecting to a host name prints no warning on stderr", async (t) => {
  // Not an IPv6 one: zeromq.js warns of each change to IPv6 and back.
  resolver(t, () => [{ address: "127.0.0.1", family: 4 }]);
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  const { pull, push } = pair(t);
  const [first, second] = [
    await pull.bind("tcp://127.0.0.1:*"),
    await pull.bind("tcp://127.0.0.1:*"),
  ];
  for (const address of [first, second])
    push.connect(address.replace("127.0.0.1", "queue.example"));
  await push.ready({ peers: 2 });
  await turn();
  assert.deepEqual(warnings, []);
});
