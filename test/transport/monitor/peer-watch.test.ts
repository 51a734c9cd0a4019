import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { type TestContext, test } from "node:test";
import type { BrokerlessError } from "../../../lib/errors.ts";
import { AddressBook } from "../../../lib/transport/monitor/address-book.ts";
import { PeerWatch } from "../../../lib/transport/monitor/peer-watch.ts";
import { NamedHosts } from "../../../lib/transport/native/named-hosts.ts";
import type { NativeSocket } from "../../../lib/transport/native/native.ts";
import { turn } from "../../support/eventually.ts";

const ADDRESS = "ipc:///tmp/peer-watch";

/** A watch of a native socket that says what the test makes it say. */
function setUp(t: TestContext, hasKeys = false) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const events = new EventEmitter();
  const dialled: string[] = [];
  const hungUp: string[] = [];
  const native = {
    events,
    closed: false,
    connect: (address: string) => dialled.push(address),
    disconnect: (address: string) => hungUp.push(address),
  } as unknown as NativeSocket;
  const endpoints = new AddressBook();
  const problems: BrokerlessError[] = [];
  const nothing = (): void => {};
  const watch = new PeerWatch({
    native,
    endpoints,
    hosts: new NamedHosts({ resolve: async () => [], move: () => {}, onProblem: () => {} }),
    hasKeys,
    onPeer: nothing,
    onProblem: (error) => problems.push(error),
    onChange: nothing,
    onTouched: nothing,
    onEnd: nothing,
  });
  watch.start();
  const say = (type: string, address: string): unknown => events.emit(type, { type, address });
  const report = (...types: readonly string[]): void => {
    for (const type of types) say(type, ADDRESS);
  };
  const connect = (): void => endpoints.addConnected(ADDRESS);
  const disconnect = (): void => {
    endpoints.deleteConnected(ADDRESS);
    watch.forget(ADDRESS);
  };
  const fail = (type: string, address: string, error: object): void => {
    const { message } = { message: "ZMTP protocol error", ...error };
    events.emit(type, { type, address, error: Object.assign(new Error(message), error) });
  };
  return { watch, endpoints, problems, dialled, hungUp, say, fail, report, connect, disconnect };
}

/** Connected, given up before its reports were read, and connected again; then the late reports come. */
function setUpStale(t: TestContext) {
  const world = setUp(t);
  world.connect();
  world.disconnect();
  world.connect();
  world.report("connect", "handshake");
  return world;
}

test("peer watch: a released address has no peer, once libzmq reports that nobody listens there", (t) => {
  const { watch, report } = setUpStale(t);
  report("close", "connect:retry");
  assert.equal(watch.peers.count, 0);
});

test("peer watch: a released address has no peer, once the next connection has failed", (t) => {
  for (const failure of [
    ["connect", "disconnect"],
    ["connect", "handshake:error:other", "disconnect"],
    ["connect", "handshake:error:other"],
  ]) {
    const { watch, report } = setUpStale(t);
    report(...failure);
    assert.equal(watch.peers.count, 0, failure.join());
    t.mock.timers.reset();
  }
});

test("peer watch: one peer is counted, however often its address was released before", (t) => {
  const { watch, report } = setUpStale(t);
  report("connect", "connect", "handshake");
  assert.equal(watch.peers.count, 1);
  report("disconnect");
  assert.equal(watch.peers.count, 0);
});

test("peer watch: reports about an address that was released and not connected again are ignored", (t) => {
  const { watch, report, connect, disconnect } = setUp(t);
  connect();
  report("connect", "handshake");
  assert.equal(watch.peers.count, 1);
  disconnect();
  assert.equal(watch.peers.count, 0);
  report("connect", "handshake");
  assert.equal(watch.peers.count, 0);
});

test("peer watch: a peer that leaves after its address was released and connected again is no failed handshake", (t) => {
  const { problems, report } = setUpStale(t);
  report("connect", "connect", "handshake", "disconnect");
  t.mock.timers.tick(1_000);
  assert.deepEqual(problems, []);
});

test("peer watch: a connection that ends before its handshake is reported, unless its address was released", (t) => {
  const { problems, report, connect, disconnect } = setUp(t);
  connect();
  report("connect", "disconnect");
  disconnect();
  t.mock.timers.tick(1_000);
  assert.deepEqual(problems, []);
  connect();
  report("connect", "disconnect");
  t.mock.timers.tick(1_000);
  assert.deepEqual(
    problems.map(({ code }) => code),
    ["BROKERLESS_PROTOCOL"],
  );
});

test("peer watch: a lost connection is dialled again, unless libzmq does so itself", (t) => {
  const { dialled, report, connect } = setUp(t);
  connect();
  report("connect", "handshake", "disconnect", "connect:retry");
  t.mock.timers.tick(10_000);
  assert.deepEqual(dialled, []);
  report("connect", "handshake", "disconnect");
  t.mock.timers.tick(10_000);
  assert.deepEqual(dialled, [ADDRESS]);
});

test("peer watch: settled waits until libzmq has executed a command that follows its last report", async (t) => {
  const { watch, dialled, hungUp, report, connect, say } = setUp(t);
  connect();
  report("connect", "handshake", "disconnect");
  let settled = false;
  const done = watch.settled().then(() => {
    settled = true;
  });
  const [nobody] = dialled;
  assert.match(nobody!, /^ipc:\/\/@brokerless\.\w{24}$/);
  report("close");
  await turn();
  assert.equal(settled, false);
  say("close", nobody!);
  await done;
  assert.deepEqual(hungUp, [nobody]);
});

const REFUSED = ["connect", "handshake:error:other", "disconnect", "connect:retry"] as const;

test("peer watch: where only handshakes fail, the pause grows until one is completed", (t) => {
  const { watch, dialled, hungUp, report, connect } = setUp(t);
  connect();
  const pausesMs: number[] = [];
  for (let tries = 0; tries < 8; tries++) {
    report(...REFUSED);
    assert.equal(hungUp.length, tries + 1, "libzmq dials by itself");
    assert.ok(watch.isParked(ADDRESS));
    let pauseMs = 0;
    for (; dialled.length === tries; pauseMs += 10) t.mock.timers.tick(10);
    assert.ok(!watch.isParked(ADDRESS));
    pausesMs.push(pauseMs);
  }
  const bounds = [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000];
  for (const [tries, bound] of bounds.entries()) {
    const pauseMs = pausesMs[tries]!;
    assert.ok(pauseMs >= bound && pauseMs <= bound * 2 + 10, pausesMs.join());
  }
  report("connect", "handshake", "disconnect", "connect:retry");
  assert.ok(!watch.isParked(ADDRESS), "a lost peer is libzmq's again");
  assert.equal(hungUp.length, 8);
});

test("peer watch: an address that is released before its next attempt is not dialled", (t) => {
  const { watch, dialled, report, connect, disconnect } = setUp(t);
  connect();
  report(...REFUSED);
  disconnect();
  t.mock.timers.tick(10_000);
  assert.deepEqual([dialled, watch.isParked(ADDRESS)], [[], false]);
});

test("peer watch: with keys, handshakes that end repeatedly without a reason are reported at intervals", (t) => {
  const { problems, report, connect } = setUp(t, true);
  const told = () => problems.filter(({ code }) => code === "BROKERLESS_SECURITY").length;
  connect();
  for (const count of [0, 0, 1, 1, 1]) {
    report(...REFUSED);
    assert.equal(told(), count);
    t.mock.timers.tick(2_000);
  }
  report("connect", "handshake", "disconnect", "connect:retry");
  report(...REFUSED);
  assert.equal(told(), 1, "one that came and went is not news");
  t.mock.timers.reset();
  const plain = setUp(t);
  plain.connect();
  for (let tries = 0; tries < 5; tries++) plain.report(...REFUSED);
  assert.ok(plain.problems.every(({ code }) => code !== "BROKERLESS_SECURITY"));
});

const INNER = "ipc:///tmp/brokerless-gate-1/inner";
/** What libzmq says, and what it most likely means at the side that is bound, and at the one that is connected. */
const MEANINGS: readonly [type: string, error: object, bound: RegExp, connected: RegExp][] = [
  [
    "handshake:error:protocol",
    { code: "ERR_ZMTP_MECHANISM_MISMATCH" },
    /one side has keys .* and the other has none$/,
    /one side has keys .* and the other has none$/,
  ],
  [
    "handshake:error:protocol",
    { code: "ERR_ZMTP_CRYPTOGRAPHIC" },
    /the serverKey of the peer is not the publicKey here$/,
    /the serverKey here is not the publicKey of the server$/,
  ],
  [
    "handshake:error:auth",
    { status: 400, message: "Authentication failure" },
    /the key of the peer is not allowed here/,
    /the server does not allow the publicKey here$/,
  ],
];

test("peer watch: a failed handshake is reported with the bound or connected address and the likely cause", (t) => {
  const { endpoints, problems, fail, connect } = setUp(t);
  endpoints.addBound("tcp://127.0.0.1:5555", INNER);
  connect();
  for (const [type, error, bound, connected] of MEANINGS) {
    fail(type, INNER, error);
    fail(type, ADDRESS, error);
    const [atBound, atConnected] = problems.splice(0);
    for (const problem of [atBound, atConnected]) {
      assert.equal(problem!.code, "BROKERLESS_SECURITY");
      assert.doesNotMatch(problem!.message, /brokerless-gate/);
    }
    assert.match(atBound!.message, /^handshake failed at tcp:\/\/127\.0\.0\.1:5555: /);
    assert.match(atBound!.message, bound);
    assert.ok(atConnected!.message.startsWith(`handshake failed at ${ADDRESS}: `));
    assert.match(atConnected!.message, connected);
  }
  fail("handshake:error:protocol", ADDRESS, { code: "ERR_ZMTP_INVALID_SEQUENCE" });
  assert.deepEqual(
    problems.map(({ code, message }) => [code, message]),
    [["BROKERLESS_PROTOCOL", `handshake failed at ${ADDRESS}: ZMTP protocol error`]],
  );
});

test("peer watch: the inner address of a released gate is never reported", (t) => {
  const { endpoints, problems, fail } = setUp(t);
  endpoints.addBound("tcp://127.0.0.1:5555", INNER);
  endpoints.deleteBound("tcp://127.0.0.1:5555");
  fail("handshake:error:protocol", INNER, { code: "ERR_ZMTP_CRYPTOGRAPHIC" });
  assert.match(problems[0]!.message, /^handshake failed at an address that was given up: /);
});
