import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connectPresence } from "../../../lib/transport/inproc/connector-presence.ts";
import { bindPresence, type Presence } from "../../../lib/transport/inproc/presence.ts";
import { eventually } from "../../support/eventually.ts";

let names = 0;

function setUp(t: TestContext) {
  const address = `inproc://presence-${++names}`;
  const log: string[] = [];
  const listener = (name: string) => ({
    joined: () => log.push(`${name} joined`),
    ended: () => log.push(`${name} ended`),
    cut: () => log.push(`${name} cut`),
    again: () => log.push(`${name} again`),
  });
  const keep = (presence: Presence): Presence => {
    t.after(() => presence.close("gone"));
    return presence;
  };
  return {
    log,
    bind: (name: string) => keep(bindPresence(address, listener(name))),
    connect: (name: string) => keep(connectPresence(address, listener(name))),
  };
}

test("presence: each side is notified when the other arrives and leaves", async (t) => {
  const { log, bind, connect } = setUp(t);
  bind("binder");
  const connector = connect("connector");
  await eventually(() => assert.deepEqual(log.toSorted(), ["binder joined", "connector joined"]));
  connector.close("gone");
  await eventually(() => assert.deepEqual(log.slice(2), ["binder ended"]));
});

test("presence: a connector is notified when the binder leaves", async (t) => {
  const { log, bind, connect } = setUp(t);
  const binder = bind("binder");
  connect("one");
  connect("two");
  await eventually(() => assert.equal(log.length, 4));
  binder.close("gone");
  await eventually(() => assert.deepEqual(log.slice(4).toSorted(), ["one ended", "two ended"]));
});

test("presence: a connector that comes first is counted once the address is bound", async (t) => {
  const { log, bind, connect } = setUp(t);
  connect("connector");
  bind("binder");
  await eventually(() => assert.deepEqual(log.toSorted(), ["binder joined", "connector joined"]));
});

test("presence: the name is free again as soon as the binder has closed", (t) => {
  const { bind } = setUp(t);
  for (let round = 0; round < 50; round++) bind("binder").close("gone");
});

test("presence: a connector that finds a binder which leaves in the same moment finds the next one", async (t) => {
  const { log, bind, connect } = setUp(t);
  const first = bind("first");
  connect("connector");
  // The binder has not read anything of it.
  first.close("gone");
  await eventually(() => assert.deepEqual(log, ["connector ended"]));
  bind("second");
  await eventually(() =>
    assert.deepEqual(log.slice(1).toSorted(), ["connector joined", "second joined"]),
  );
});

test("presence: a connector is not told of a binder that has left when it hears of it", async (t) => {
  const { log, bind, connect } = setUp(t);
  connect("connector");
  bind("first").close("gone");
  bind("second");
  await eventually(() => assert.equal(log.includes("connector joined"), true));
  assert.deepEqual(log.slice(0, 2), ["connector ended", "connector joined"]);
});

/** Departures of the binder around the moment in which a connector hears of it. */
const DEPARTURES: Readonly<
  Record<
    string,
    {
      readonly isSure: boolean;
      readonly joined: (leave: () => void, connected: () => void) => void;
    }
  >
> = {
  "after the connection was made in the call": {
    isSure: true,
    joined: (leave, connected) => {
      connected();
      leave();
    },
  },
  "before the connection is made in the call": {
    isSure: false,
    joined: (leave, connected) => {
      leave();
      connected();
    },
  },
  "in the call, when the connection had been made before it": {
    isSure: true,
    joined: (leave) => leave(),
  },
};

for (const [when, { isSure, joined }] of Object.entries(DEPARTURES)) {
  test(`presence: a binder that leaves ${when} ${isSure ? "surely" : "perhaps not"} had it`, async (t) => {
    const address = `inproc://presence-${++names}`;
    const binder = bindPresence(address, { joined: () => {}, ended: () => {} });
    let count = 0;
    const ends: boolean[] = [];
    const connector = connectPresence(address, {
      joined: (_, connected) => {
        count++;
        joined(() => binder.announce("gone"), connected);
      },
      ended: (_, wasSure) => ends.push(wasSure),
      cut: () => {},
      again: () => {},
    });
    t.after(() => connector.close("gone"));
    await eventually(() => assert.equal(count, 1));
    binder.close("gone");
    await eventually(() => assert.deepEqual(ends, [isSure]));
  });
}

test("presence: a second close does nothing", async (t) => {
  const { log, bind, connect } = setUp(t);
  const binder = bind("binder");
  const connector = connect("connector");
  await eventually(() => assert.equal(log.length, 2));
  connector.close("gone");
  connector.close("gone");
  await eventually(() => assert.equal(log.length, 3));
  binder.close("gone");
  binder.close("gone");
  assert.equal(log.length, 3);
});

test("presence: a connector that closes before the bind leaves the others waiting", async (t) => {
  const { log, bind, connect } = setUp(t);
  const early = connect("early");
  connect("one");
  connect("two");
  early.close("gone");
  await eventually(() => assert.deepEqual(log.toSorted(), ["one again", "two again"]));
  bind("binder");
  const joined = ["binder joined", "binder joined", "one joined", "two joined"];
  await eventually(() => assert.deepEqual(log.slice(2).toSorted(), joined));
});

test("presence: a connector is told whether the binder closes or only releases the address, and finds the next", async (t) => {
  const { log, bind, connect } = setUp(t);
  const first = bind("first");
  connect("connector");
  await eventually(() => assert.equal(log.length, 2));
  first.close("cut");
  await eventually(() => assert.deepEqual(log.slice(2), ["connector cut"]));
  const second = bind("second");
  await eventually(() =>
    assert.deepEqual(log.slice(3).toSorted(), ["connector joined", "second joined"]),
  );
  second.close("gone");
  await eventually(() => assert.deepEqual(log.slice(5), ["connector ended"]));
});
