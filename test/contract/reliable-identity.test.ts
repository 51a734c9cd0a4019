import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { test } from "node:test";
import { type BrokerlessError, Pull, Push, type ReliablePush } from "../../lib/index.ts";
import { FileJournal, repairJournal } from "../../lib/journal/index.ts";
import { eventually } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { World } from "../support/world.ts";

/** Two of something of which there is one: copies of a journal, and of an inbox, over real connections. */

/** Directories with the same journal in them, which nobody has used. */
async function copies(world: World): Promise<readonly [string, string]> {
  const [first, second] = [world.directory(), world.directory()];
  await (await FileJournal.open(first)).close();
  await cp(first, second, { recursive: true });
  return [first, second];
}

function lockedErrors(socket: Pick<Push, "on">): BrokerlessError[] {
  const errors: BrokerlessError[] = [];
  socket.on("error", (error) => {
    if (error.code === "BROKERLESS_LOCKED") errors.push(error);
  });
  return errors;
}

async function sendAll(sender: ReliablePush<string>, name: string): Promise<void> {
  const sent = range(10).map((value) => sender.send(`${name} ${value}`, { confirm: "processed" }));
  await Promise.all(sent);
}

/** A receiver that binds, and what it is given. */
async function listening(world: World) {
  const receiver = world.socket(new Pull<string>({ reliable: true }));
  const got: string[] = [];
  const ids = new Set<string>();
  void receiver.run((value, { id }) => {
    got.push(value);
    ids.add(id);
  });
  return { receiver, got, ids, address: await receiver.bind("tcp://127.0.0.1:*") };
}

test("identity: copies of an empty journal that take turns at one receiver are two streams", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const { receiver, got, ids, address } = await listening(world);
  let diverged = 0;
  receiver.on("diverged", () => {
    diverged += 1;
  });
  const places = await copies(world);
  for (const name of ["a", "b", "c", "d"]) {
    const journal = await FileJournal.open(places[name === "a" || name === "c" ? 0 : 1]);
    const sender = new Push<string>({ journal });
    sender.connect(address);
    await sendAll(sender, name);
    await sender.close();
    await journal.close();
  }
  assert.equal(got.length, 40);
  assert.equal(ids.size, 40, "two messages have one id");
  assert.equal(diverged, 0);
});

test("identity: the second of two copies at a time is refused on both sides, until it is a stream of its own", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const { receiver, got, address } = await listening(world);
  let peers = 0;
  receiver.on("peer", () => {
    peers += 1;
  });
  const [one, two] = await copies(world);
  const first = world.socket(new Push<string>({ journal: await world.journal(one) }));
  first.connect(address);
  await sendAll(first, "a");
  {
    const journal = await FileJournal.open(two);
    const second = new Push<string>({ journal });
    const errors = [lockedErrors(second), lockedErrors(receiver)];
    second.connect(address);
    await eventually(() => assert.ok(errors.some(({ length }) => length > 0) || peers > 1));
    assert.equal(peers, 1);
    await eventually(() =>
      assert.deepEqual(
        errors.map(({ length }) => length),
        [1, 1],
      ),
    );
    for (const [error] of errors) assert.match(error!.message, /--new-stream/);
    await second.close();
    await journal.close();
  }
  await sendAll(first, "b");
  await repairJournal(two, undefined, { newStream: true });
  const second = world.socket(new Push<string>({ journal: await world.journal(two) }));
  second.connect(address);
  await Promise.all([sendAll(first, "c"), sendAll(second, "d")]);
  assert.equal(got.length, 40);
});

test("identity: the second of two receivers with copies of an inbox is refused on both sides", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const world = new World(t);
  const [one, two] = [world.directory(), world.directory()];
  {
    const inbox = await FileJournal.open(one);
    await new Pull({ inbox }).close();
    await inbox.close();
  }
  await cp(one, two, { recursive: true });
  const sender = world.socket(new Push<string>({ reliable: true }));
  const address = await sender.bind("tcp://127.0.0.1:*");
  let peers = 0;
  sender.on("peer", () => {
    peers += 1;
  });
  const got: string[] = [];
  const receive = async (place: string) => {
    const receiver = world.socket(new Pull<string>({ inbox: await world.journal(place) }));
    void receiver.run((value) => void got.push(value));
    receiver.connect(address);
    return receiver;
  };
  await receive(one);
  await sendAll(sender, "a");
  const errors = lockedErrors(sender);
  const second = lockedErrors(await receive(two));
  await eventually(() => assert.ok(second.length > 0 || peers > 1));
  assert.equal(peers, 1);
  await eventually(() => assert.deepEqual([errors.length, second.length], [1, 1]));
  await sendAll(sender, "b");
  assert.deepEqual([got.length, peers], [20, 1]);
});
