import assert from "node:assert/strict";
import { test } from "node:test";
import { type Peer, Publisher, Pull, Push, Router, raw, Subscriber } from "../../lib/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { World } from "../support/world.ts";
import { greeting, message, property, ready } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

const HEX = /^[0-9a-f]{32}$/;

/** Who came to a socket, and who left it, by name. */
function watch(socket: Pick<Push, "on">) {
  const [came, left]: [Peer[], Peer[]] = [[], []];
  socket.on("peer", (peer) => came.push(peer));
  socket.on("peerLost", (peer) => left.push(peer));
  return { came, left };
}

const namesOf = (peers: readonly Peer[]): (string | null)[] => peers.map(({ name }) => name).sort();

for (const binder of ["sender", "receivers"] as const) {
  const claim = `names: reliable sockets know each other by name, where the ${binder} bind`;
  eachTransport(claim, async (t, wire) => {
    const push = open(t, new Push<string>({ reliable: true, name: "orders" }));
    const pulls = ["till-1", "till-2", undefined].map((name) =>
      open(t, new Pull<string>({ reliable: true, name })),
    );
    const [atPush, atPulls] = [watch(push), pulls.map(watch)];
    if (binder === "sender") {
      const address = await push.bind(wire.address());
      for (const pull of pulls) pull.connect(address);
    } else {
      for (const pull of pulls) push.connect(await pull.bind(wire.address()));
    }
    await push.ready({ peers: 3 });
    for (const pull of pulls) await pull.ready();

    assert.deepEqual(namesOf(atPush.came), [null, "till-1", "till-2"]);
    assert.deepEqual(namesOf(push.peers()), [null, "till-1", "till-2"]);
    assert.equal(new Set(push.peers().map(({ id }) => id)).size, 3);
    for (const { id, address } of push.peers()) {
      assert.match(id!, HEX);
      assert.ok(address.startsWith(`${wire.transport}:`), address);
    }
    for (const [index, { came }] of atPulls.entries()) {
      assert.deepEqual(namesOf(came), ["orders"]);
      assert.match(came[0]!.id!, HEX);
      assert.deepEqual(namesOf(pulls[index]!.peers()), ["orders"]);
    }

    const [first] = pulls;
    const { id } = atPush.came.find(({ name }) => name === "till-1")!;
    await first!.close();
    await eventually(() => assert.equal(atPush.left.length, 1));
    const { name, id: lost } = atPush.left[0]!;
    assert.deepEqual([name, lost], ["till-1", id]);
    assert.deepEqual(namesOf(push.peers()), [null, "till-2"]);
    await push.close();
    await eventually(() => assert.deepEqual(namesOf(atPulls[1]!.left), ["orders"]));
    assert.deepEqual(pulls[1]!.peers(), []);
  });
}

test("names: across restarts a journal and an inbox keep the ids, and the name is that of the process", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const [journal, inbox] = [world.directory(), world.directory()];
  const lives: [Peer, Peer][] = [];
  for (const name of ["before", "after"]) {
    const ends = new World(t);
    const push = ends.socket(new Push({ journal: await ends.journal(journal), name }));
    const pull = ends.socket(new Pull({ inbox: await ends.journal(inbox), name }));
    const [atPush, atPull] = [watch(push), watch(pull)];
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    await Promise.all([push.ready(), pull.ready()]);
    lives.push([atPush.came[0]!, atPull.came[0]!]);
    await ends.end();
  }
  const [before, after] = lives;
  for (const side of [0, 1]) {
    assert.equal(before![side]!.name, "before");
    assert.equal(after![side]!.name, "after");
    assert.equal(before![side]!.id, after![side]!.id);
  }
});

test("names: a queue lists its workers by name, and a worker its queues", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const bind = "tcp://127.0.0.1:*";
  const queue = await WorkQueue.open({ directory: world.directory(), bind, name: "thumbnails" });
  world.socket(queue);
  const connect = queue.addresses;
  const workers = await Promise.all(
    ["w1", "w2"].map((name) => Worker.start({ connect, name }, () => {})),
  );
  for (const worker of workers) t.after(() => worker.close());
  await Promise.all(workers.map((worker) => worker.ready()));
  await eventually(() => assert.deepEqual(namesOf(queue.workers()), ["w1", "w2"]));
  for (const worker of workers) assert.deepEqual(namesOf(worker.queues()), ["thumbnails"]);
});

test("names: who is refused, and who refuses, is named in the error events of both", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  for (const binder of ["sender", "receiver"]) {
    const push = open(t, new Push<Uint8Array>({ reliable: true, codec: raw(), name: "orders" }));
    const pull = open(t, new Pull<string>({ reliable: true, name: "till-7" }));
    const [atPush, atPull] = [errorsOf(push), errorsOf(pull)];
    if (binder === "sender") pull.connect(await push.bind("tcp://127.0.0.1:*"));
    else push.connect(await pull.bind("tcp://127.0.0.1:*"));
    await eventually(() => assert.deepEqual([atPush.length, atPull.length], [1, 1]));
    assert.match(atPush[0]!.message, /^refused a peer \("till-7" at tcp:.*codecs differ/);
    // A sender that refuses says no welcome, and so no name; but one that connects has made an offer.
    const who =
      binder === "sender" ? /^refused by a peer \(tcp:/ : /^refused by a peer \("orders" at/;
    assert.match(atPull[0]!.message, who);
    assert.match(atPull[0]!.message, /codecs differ/);
  }
});

test("names: of a socket that is bound to several addresses a peer's is not told", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const push = open(t, new Push({ reliable: true }));
  const pull = open(t, new Pull({ reliable: true }));
  await push.bind("tcp://127.0.0.1:*");
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await push.ready();
  assert.deepEqual(
    push.peers().map(({ address }) => address),
    ["bound"],
  );
});

test("names: of a publisher with several addresses a subscriber's is not told", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const publisher = open(t, new Publisher());
  await publisher.bind("tcp://127.0.0.1:*");
  const address = await publisher.bind("tcp://127.0.0.1:*");
  const subscriber = open(t, new Subscriber({ name: "screen 1" }));
  subscriber.subscribe("trades");
  subscriber.connect(address);
  await publisher.ready();
  assert.deepEqual(
    publisher.peers().map((peer) => [peer.name, peer.address]),
    [["screen 1", "bound"]],
  );
});

// A subscriber's announcement may be read before its connection is reported.
eachTransport("names: a publisher tells a subscriber's address at once", async (t, wire) => {
  const publisher = open(t, new Publisher());
  const addresses: string[] = [];
  publisher.on("subscriberJoined", () => {
    for (const peer of publisher.peers()) addresses.push(peer.address);
  });
  const address = await publisher.bind(wire.address());
  for (let times = 0; times < 20; times++) {
    const subscriber = open(t, new Subscriber());
    subscriber.subscribe("trades");
    subscriber.connect(address);
    await publisher.ready();
    await subscriber.close();
    await eventually(() => assert.equal(publisher.stats().peers, 0));
  }
  assert.deepEqual([...new Set(addresses)], [address]);
});

eachTransport("names: a publisher knows its subscribers by name", async (t, wire) => {
  const publisher = open(t, new Publisher());
  const told: string[] = [];
  publisher.on("subscriberJoined", ({ name }) => told.push(`${name} joined`));
  publisher.on("subscriberLeft", ({ name }) => told.push(`${name} left`));
  const address = await publisher.bind(wire.address());
  const named = open(t, new Subscriber({ name: "screen 1" }));
  const nameless = open(t, new Subscriber());
  for (const each of [named, nameless]) {
    each.subscribe("trades");
    each.connect(address);
  }
  await publisher.ready({ peers: 2 });
  assert.deepEqual([...told].sort(), ["null joined", "screen 1 joined"]);
  assert.deepEqual(namesOf(publisher.peers()), [null, "screen 1"]);
  for (const peer of publisher.peers()) assert.equal(peer.address, address);

  // Other subscriptions are another mark of the same subscriber.
  named.subscribe("quotes.*");
  named.unsubscribe("trades");
  const quoted = new Promise<void>((resolve) => {
    publisher.on("unsubscribe", ({ prefix }) => prefix === "trades" && resolve());
  });
  await nameless.close();
  await eventually(() => assert.deepEqual(told.slice(2), ["null left"]));
  await quoted;
  await eventually(() => assert.deepEqual(namesOf(publisher.peers()), ["screen 1"]));
  await named.close();
  await eventually(() => assert.equal(told.at(-1), "screen 1 left"));
  assert.equal(told.length, 4);
});

test("names: plain sockets tell that a peer came, and not which", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const push = open(t, new Push({ name: "source" }));
  const pull = open(t, new Pull({ name: "sink" }));
  const { came } = watch(push);
  const address = await push.bind("tcp://127.0.0.1:*");
  pull.connect(address);
  await Promise.all([push.ready(), pull.ready()]);
  assert.deepEqual(came, [{ address, id: null, name: null, peers: 1 }]);
  assert.deepEqual(push.peers(), [{ address, id: null, name: null }]);
  assert.deepEqual(pull.peers(), [{ address, id: null, name: null }]);
});

test("names: a plain socket says its name in ZeroMQ's handshake", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const router = open(t, new Router({ name: "Kasse Süd" }));
  const address = await router.bind("tcp://127.0.0.1:*");
  const peer = await ZmtpPeer.connect(address);
  await peer.write(Buffer.concat([greeting(), ready("DEALER")]));
  const command = await peer.receiveCommand();
  assert.ok(command!.includes(property("X-Name", "Kasse Süd")), command!.toString());
  peer.destroy();
});

test("names: who is cut off at a gate is named, in characters that can be seen", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const pull = open(t, new Pull({ gate: true }));
  const errors = errorsOf(pull);
  const address = await pull.bind("tcp://127.0.0.1:*");
  const peer = await ZmtpPeer.connect(address);
  const name = property("X-Name", "till\u001b[2J");
  await peer.write(Buffer.concat([greeting(), ready("PUSH", name), message("a", "b", "c")]));
  await peer.ended();
  await eventually(() => assert.equal(errors.length, 1));
  assert.match(
    errors[0]!.message,
    /^refused "till\\\\u001b\[2J" at 127\.0\.0\.1:\d+: a message of/,
  );
});
