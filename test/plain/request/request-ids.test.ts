import assert from "node:assert/strict";
import { test } from "node:test";
import { numberOf, REQUEST_ID_BYTES, RequestIds } from "../../../lib/plain/request/request-ids.ts";
import { RequestingPeers } from "../../../lib/plain/request/requesting-peers.ts";
import { range } from "../../support/fixtures.ts";

test("request ids: each has its number, and a secret that no other id tells", () => {
  const ids = new RequestIds();
  const made = range(2_000).map((number) => ids.next(number));
  made.forEach((id, number) => {
    assert.equal(id.length, REQUEST_ID_BYTES);
    assert.equal(numberOf(id), number);
  });
  assert.equal(new Set(made.map((id) => id.toString("hex", 4))).size, made.length);
  // Ids are kept and handed on as they are: none may change when the next are drawn.
  assert.equal(new Set(made.map((id) => id.toString("hex"))).size, made.length);
});

test("asking peers: who takes the id of a connection that has ended is another peer", () => {
  const peers = new RequestingPeers();
  const id = Buffer.from("peer");
  const first = [peers.begin(id), peers.begin(id)];
  peers.lost(id);
  const second = peers.begin(Buffer.from("peer"));
  assert.deepEqual(
    [...first, second].map(({ isGone }) => isGone),
    [true, true, false],
  );
  for (const peer of first) peers.end(peer);
  assert.equal(peers.count, 1);
  peers.lost(Buffer.from("nobody"));
  assert.equal(second.isGone, false);
  peers.end(second);
  assert.equal(peers.count, 0);
});
