import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { BrokerlessError } from "../../../lib/index.ts";
import { Dealer, Pull, Push, Requester, Subscriber } from "../../../lib/index.ts";
import {
  type AddressChange,
  hasHostName,
  NamedHosts,
} from "../../../lib/transport/native/named-hosts.ts";
import { eventually, turn } from "../../support/eventually.ts";
import { errorsOf, open } from "../../support/fixtures.ts";
import { hasIpv6 } from "../../support/ipv6.ts";
import { resolver } from "../../support/resolver.ts";

const ADDRESS = "tcp://queue.example:5555";
/** Beyond the longest pause (milliseconds). */
const LONG_MS = 20_000;

/** Names with what a resolver says of them; each answer holds until the next is given. */
function setUp(t: TestContext, first: readonly string[] | Error) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let answer = first;
  let asked = 0;
  const moves: AddressChange[] = [];
  const problems: BrokerlessError[] = [];
  const hosts = new NamedHosts({
    resolve: async () => {
      asked += 1;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    move: (move) => moves.push(move),
    onProblem: (error) => problems.push(error),
  });
  t.after(() => hosts.close());
  const pass = async (): Promise<void> => {
    t.mock.timers.tick(LONG_MS);
    await turn();
  };
  const say = (next: readonly string[] | Error): void => {
    answer = next;
  };
  return { hosts, moves, problems, pass, say, asked: () => asked };
}

test("named hosts: a host name is distinguished from an IP address, and from other transports", () => {
  for (const address of [ADDRESS, "tcp://localhost:1"]) assert.equal(hasHostName(address), true);
  for (const address of ["tcp://127.0.0.1:1", "tcp://[::1]:1", "ipc:///a:1", "inproc://a.b:1"]) {
    assert.equal(hasHostName(address), false);
  }
});

test("named hosts: each loss tries the next address, of either family", async (t) => {
  const { hosts, moves, pass } = setUp(t, ["10.0.0.1", "fd00::1"]);
  hosts.add(ADDRESS);
  await turn();
  for (let round = 0; round < 2; round++) {
    hosts.onLost(ADDRESS);
    await pass();
  }
  assert.deepEqual(
    moves.map(({ from, to }) => [from, to]),
    [
      [null, "tcp://10.0.0.1:5555"],
      ["tcp://10.0.0.1:5555", "tcp://[fd00::1]:5555"],
      ["tcp://[fd00::1]:5555", "tcp://10.0.0.1:5555"],
    ],
  );
});

test("named hosts: a changed address of a name is used when the connection is lost, and not before", async (t) => {
  const { hosts, moves, pass, say, asked } = setUp(t, ["10.0.0.1"]);
  hosts.add(ADDRESS);
  await turn();
  say(["10.0.0.2"]);
  await pass();
  assert.equal(asked(), 1);
  hosts.onLost(ADDRESS);
  hosts.onLost(ADDRESS);
  await pass();
  assert.equal(asked(), 2);
  assert.equal(moves.at(-1)?.to, "tcp://10.0.0.2:5555");
});

test("named hosts: a name without an address is reported once, and used when it has one", async (t) => {
  const { hosts, moves, problems, pass, say } = setUp(t, new Error("ENOTFOUND"));
  hosts.add(ADDRESS);
  await turn();
  for (let round = 0; round < 5; round++) await pass();
  assert.deepEqual(
    problems.map(({ code, message }) => [code, message.includes(ADDRESS)]),
    [["BROKERLESS_ADDRESS", true]],
  );
  say(["10.0.0.1"]);
  await pass();
  assert.equal(moves.length, 1);
});

test("named hosts: an address released during the lookup is not connected", async (t) => {
  const { hosts, moves } = setUp(t, ["10.0.0.1"]);
  hosts.add(ADDRESS);
  assert.equal(hosts.delete(ADDRESS), null);
  await turn();
  assert.equal(moves.length, 0);
});

test("named hosts: a socket follows a name from a dead host to a new one", async (t) => {
  if (!(await hasIpv6())) return t.skip("this machine has no IPv6");
  let family = 4;
  resolver(t, () => [{ address: family === 4 ? "127.0.0.1" : "::1", family }]);
  const first = open(t, new Pull<number>());
  const push = open(t, new Push<number>());
  const bound = await first.bind("tcp://127.0.0.1:*");
  push.connect(bound.replace("127.0.0.1", "queue.example"));
  await push.ready();
  await push.send(1);
  assert.equal(await first.receive(), 1);
  family = 6;
  await first.close();
  await eventually(() => assert.equal(push.stats().peers, 0));
  const second = open(t, new Pull<number>());
  await second.bind(bound.replace("127.0.0.1", "[::1]"));
  await push.ready();
  await push.send(2);
  assert.equal(await second.receive(), 2);
});

test("named hosts: a resolver that never returns blocks nothing, and the socket closes", async (t) => {
  resolver(t, () => null);
  const pull = open(t, new Pull<number>());
  const bound = await pull.bind("tcp://127.0.0.1:*");
  const sockets = [new Push<number>(), new Dealer(), new Requester(), new Subscriber()];
  for (const socket of sockets) {
    open(t, socket).connect("tcp://deaf.example:5555");
    assert.equal(socket.stats().peers, 0);
  }
  const [push] = sockets as [Push<number>];
  push.connect(bound);
  await push.send(1);
  assert.equal(await pull.receive(), 1);
  push.disconnect("tcp://deaf.example:5555");
  await Promise.all(sockets.map((socket) => socket.close()));
});

test("named hosts: an unknown name is an error event, and the socket keeps working", async (t) => {
  const pull = open(t, new Pull<number>());
  const push = open(t, new Push<number>());
  const errors = errorsOf(push);
  push.connect("tcp://no-such-host.invalid:5555");
  await eventually(() => assert.equal(errors[0]?.code, "BROKERLESS_ADDRESS"));
  push.connect(await pull.bind("tcp://127.0.0.1:*"));
  await push.send(1);
  assert.equal(await pull.receive(), 1);
});
