import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { generateKeyPair, Pull, Push } from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { eachTransport } from "../support/each-transport.ts";
import { open } from "../support/fixtures.ts";
import { ROLES } from "../support/roles.ts";
import { World } from "../support/world.ts";

/** All that `util.inspect` can be brought to show of an object. */
const EVERYTHING = { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null };

for (const { role, make, makePeer } of ROLES) {
  eachTransport(`inspection: a ${role} shows role, addresses and peers`, async (t, wire) => {
    const socket = open(t, make());
    const peer = open(t, makePeer());
    const address = await wire.join(socket, peer);
    const shown = `${role} { status: 'open', bound: [ '${address}' ], connected: [], peers: 1`;
    const line = inspect(socket, { breakLength: Number.POSITIVE_INFINITY });
    assert.equal(line.slice(0, shown.length), shown);
    assert.ok(inspect(peer).includes(`connected: [ '${address}' ]`), inspect(peer));
    await socket.close();
    assert.match(inspect(socket), new RegExp(`^${role} { status: 'closed'`));
  });

  test(`inspection: no key of a ${role} is shown, however it is asked for`, (t) => {
    const [ours, theirs] = [generateKeyPair(), generateKeyPair()];
    const server = open(t, make({ security: { ...ours, allow: [theirs.publicKey] } }));
    const client = open(t, make({ security: { ...theirs, serverKey: ours.publicKey } }));
    const shown = [server, client].flatMap((socket) => [
      inspect(socket, EVERYTHING),
      inspect(socket, { ...EVERYTHING, customInspect: false }),
      JSON.stringify(socket),
    ]);
    for (const key of [ours.secretKey, theirs.secretKey]) {
      for (const text of shown) assert.ok(!text.includes(key), text);
    }
  });
}

test("inspection: a socket with an ack layer shows the same, and counters that are not zero", async (t) => {
  const push = open(t, new Push<string>({ journal: new MemoryJournal() }));
  const pull = open(t, new Pull<string>({ reliable: true }));
  const address = await push.bind("tcp://127.0.0.1:*");
  pull.connect(address);
  await push.ready();
  await push.send("one");
  assert.equal(await pull.receive(), "one");
  const line = inspect(push, { breakLength: Number.POSITIVE_INFINITY });
  assert.match(
    line,
    /^Push { status: 'open', bound: \[ 'tcp:.*' \], connected: \[\], peers: 1, .*queuedMessages: 1/,
  );
  assert.doesNotMatch(line, /: 0/);
  assert.ok(inspect(pull).includes(`connected: [ '${address}' ]`));
});

test("inspection: deep inside something else a socket is its role", (t) => {
  const push = open(t, new Push({ name: "orders" }));
  assert.match(inspect(push, { compact: true }), /^Push { name: 'orders', status: 'open'/);
  assert.equal(inspect([[push]], { depth: 1 }), "[ [ [Push] ] ]");
  assert.match(inspect([[push]], { depth: 2, compact: true }), /bound: \[\], connected: \[\]/);
});

test("inspection: a work queue and a worker show their figures", async (t) => {
  const world = new World(t);
  const queue = world.socket(await WorkQueue.open<string>({ directory: world.directory() }));
  const connect = await queue.bind("tcp://127.0.0.1:*");
  const worker = await Worker.start({ connect }, () => {});
  world.socket({ close: async () => void (await worker.close()) });
  await queue.add("job", { confirm: "processed" });
  const options = { breakLength: Number.POSITIVE_INFINITY };
  assert.equal(
    inspect(queue, options),
    `WorkQueue { addresses: [ '${connect}' ], unfinished: 0, finished: 1, dead: 0, workers: 1 }`,
  );
  assert.equal(inspect(worker, options), "Worker { active: 0, done: 1, failed: 0, queues: 1 }");
});
