import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type PeerChange, PeerCount } from "../../../lib/transport/monitor/peer-count.ts";

function setUp() {
  const changes: PeerChange[] = [];
  const peers = new PeerCount((change) => changes.push(change));
  const join = (address: string): void => {
    peers.began(address);
    peers.joined(address);
  };
  const fail = (address: string): void => {
    peers.began(address);
    peers.failed(address);
  };
  return { changes, peers, join, fail };
}

test("peer count: peers that join and leave are counted and reported", () => {
  const { changes, peers, join } = setUp();
  join("a");
  join("b");
  peers.ended("a");
  assert.deepEqual(changes, [
    { type: "peer", address: "a", peers: 1 },
    { type: "peer", address: "b", peers: 2 },
    { type: "peerLost", address: "a", peers: 1 },
  ]);
  assert.equal(peers.count, 1);
});

test("peer count: the end of a connection with a failed handshake removes no peer", () => {
  const { changes, peers, join, fail } = setUp();
  join("a");
  fail("a");
  peers.ended("a");
  assert.equal(peers.count, 1);
  peers.ended("a");
  assert.equal(peers.count, 0);
  assert.equal(changes.length, 2);
});

test("peer count: an unexpected end changes nothing", () => {
  const { changes, peers } = setUp();
  peers.ended("a");
  peers.ended("a");
  assert.equal(peers.count, 0);
  assert.equal(changes.length, 0);
});

test("peer count: an end without a reported failure is attributed to a handshake in progress", () => {
  const { changes, peers, join } = setUp();
  join("a");
  peers.began("a");
  peers.ended("a");
  assert.equal(peers.count, 1);
  assert.equal(changes.length, 1);
});

test("peer count: an end that was wrongly attributed to a handshake is corrected when that succeeds", () => {
  const { changes, peers, join } = setUp();
  join("a");
  peers.began("a");
  peers.ended("a");
  peers.joined("a");
  assert.equal(peers.count, 1);
  assert.deepEqual(
    changes.map(({ type }) => type),
    ["peer", "peer", "peerLost"],
  );
});

test("peer count: for a connected endpoint the latest report counts", () => {
  const { changes, peers } = setUp();
  peers.up("a");
  peers.up("a");
  peers.up("b");
  assert.equal(peers.count, 2);
  peers.down("a");
  peers.down("a");
  assert.equal(peers.count, 1);
  peers.up("a");
  peers.forget("a");
  peers.forget("a");
  assert.deepEqual(
    changes.map(({ type, address, peers: left }) => [type, address, left]),
    [
      ["peer", "a", 1],
      ["peer", "b", 2],
      ["peerLost", "a", 1],
      ["peer", "a", 2],
      ["peerLost", "a", 1],
    ],
  );
});

test("peer count: releasing an endpoint removes its peers, and no others", () => {
  const { changes, peers, join, fail } = setUp();
  join("a");
  join("a");
  join("b");
  fail("a");
  peers.forget("a");
  assert.equal(peers.count, 1);
  assert.deepEqual(
    changes.slice(3).map(({ type, address, peers: left }) => [type, address, left]),
    [
      ["peerLost", "a", 2],
      ["peerLost", "a", 1],
    ],
  );
  join("a");
  peers.ended("a");
  assert.equal(peers.count, 1);
});

/** What libzmq may do to one connection. */
type Fate = "still here" | "gone" | "failed" | "refused without a word";

test("peer count: in any interleaving of connections, the final count is right", () => {
  const fates = fc.array(
    fc.constantFrom<Fate>("still here", "gone", "failed", "refused without a word"),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(fates, fc.infiniteStream(fc.nat()), (connections, choices) => {
      const { changes, peers } = setUp();
      const scripts = connections.map((fate): (() => void)[] => {
        const began = (): void => peers.began("a");
        const ended = (): void => peers.ended("a");
        const joined = (): void => peers.joined("a");
        if (fate === "still here") return [began, joined];
        if (fate === "gone") return [began, joined, ended];
        if (fate === "failed") return [began, () => peers.failed("a"), ended];
        return [began, ended];
      });
      for (let left = scripts.flat().length; left > 0; left--) {
        const open = scripts.filter((script) => script.length > 0);
        open[choices.next().value! % open.length]!.shift()!();
        assert.ok(peers.count >= 0);
        assert.equal(changes.at(-1)?.peers ?? 0, peers.count);
      }
      assert.equal(peers.count, connections.filter((fate) => fate === "still here").length);
    }),
  );
});
