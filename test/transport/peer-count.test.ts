import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type PeerChange, PeerCount } from "../../lib/transport/peer-count.ts";

function setUp() {
  const changes: PeerChange[] = [];
  return { changes, peers: new PeerCount((change) => changes.push(change)) };
}

test("peer count: peers that join and end are counted and told", () => {
  const { changes, peers } = setUp();
  peers.joined("a");
  peers.joined("b");
  peers.ended("a");
  assert.deepEqual(changes, [
    { type: "peer", address: "a", peers: 1 },
    { type: "peer", address: "b", peers: 2 },
    { type: "peerLost", address: "a", peers: 1 },
  ]);
  assert.equal(peers.count, 1);
});

test("peer count: the end of a connection whose handshake failed takes no peer away", () => {
  const { changes, peers } = setUp();
  peers.joined("a");
  peers.failed("a");
  peers.ended("a");
  assert.equal(peers.count, 1);
  peers.ended("a");
  assert.equal(peers.count, 0);
  assert.equal(changes.length, 2);
});

test("peer count: an end that nobody expects changes nothing", () => {
  const { changes, peers } = setUp();
  peers.ended("a");
  peers.ended("a");
  assert.equal(peers.count, 0);
  assert.equal(changes.length, 0);
});

test("peer count: an endpoint that is given up takes its peers with it, and no others", () => {
  const { changes, peers } = setUp();
  peers.joined("a");
  peers.joined("a");
  peers.joined("b");
  peers.failed("a");
  peers.forget("a");
  assert.equal(peers.count, 1);
  assert.deepEqual(
    changes.slice(3).map(({ type, address, peers: left }) => [type, address, left]),
    [
      ["peerLost", "a", 2],
      ["peerLost", "a", 1],
    ],
  );
  peers.joined("a");
  peers.ended("a");
  assert.equal(peers.count, 1);
});

test("peer count: whatever is reported, it is the sum over all endpoints and never negative", () => {
  const names = fc.constantFrom("a", "b", "c");
  const calls = fc.constantFrom(
    "joined" as const,
    "failed" as const,
    "ended" as const,
    "forget" as const,
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(calls, names)), (script) => {
      const { changes, peers } = setUp();
      const model = new Map<string, { here: number; failed: number }>();
      for (const [call, name] of script) {
        peers[call](name);
        const endpoint = model.get(name) ?? { here: 0, failed: 0 };
        model.set(name, endpoint);
        if (call === "joined") endpoint.here += 1;
        else if (call === "failed") endpoint.failed += 1;
        else if (call === "forget") model.delete(name);
        else if (endpoint.failed > 0) endpoint.failed -= 1;
        else if (endpoint.here > 0) endpoint.here -= 1;
        const expected = [...model.values()].reduce((sum, { here }) => sum + here, 0);
        assert.equal(peers.count, expected);
        assert.equal(changes.at(-1)?.peers ?? 0, expected);
      }
    }),
  );
});
