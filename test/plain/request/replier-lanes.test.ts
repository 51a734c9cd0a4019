import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplierLane, ReplierLanes } from "../../../lib/plain/request/replier-lanes.ts";
import {
  bareEntry,
  decodeEntries,
  isRequests,
  REQUEST_KINDS,
} from "../../../lib/plain/request/request-frames.ts";
import type { LinkPeer } from "../../../lib/transport/link-peer.ts";
import { range } from "../../support/fixtures.ts";

function lane({ isShared = false } = {}) {
  const sent: (readonly Uint8Array[])[] = [];
  const link = {
    address: "x",
    name: null,
    isShared,
    isFull: false as boolean,
    send: (parts: readonly Uint8Array[]) => {
      sent.push(parts);
    },
    onRoom: () => {},
    close: () => {},
    forget: () => {},
  } satisfies LinkPeer;
  return { link, sent, lane: new ReplierLane(link, () => {}) };
}

const request = (n: number) => {
  const id = Buffer.alloc(12, n);
  const entry = { ...bareEntry(REQUEST_KINDS.request, id), leftMs: 5, body: Buffer.from([n]) };
  return entry;
};

test("replier lanes: the one with the fewest requests gets the next, in turn among equals", () => {
  const lanes = new ReplierLanes();
  const all = range(3).map(() => lane().lane);
  for (const each of all) lanes.add(each);
  const picked = range(6).map(() => {
    const next = lanes.pick()!;
    next.outstanding += 1;
    return all.indexOf(next);
  });
  assert.deepEqual(picked, [0, 1, 2, 0, 1, 2]);
  all[1]!.outstanding = 0;
  assert.equal(lanes.pick(), all[1]);
  all[1]!.outstanding = 2;
  const turns = range(4).map(() => all.indexOf(lanes.pick()!));
  assert.deepEqual(turns, [2, 0, 1, 2]);
});

test("replier lanes: who leaves, is full or is gone gets none", () => {
  const lanes = new ReplierLanes();
  assert.equal(lanes.pick(), null);
  const [first, second] = [lane(), lane()];
  lanes.add(first.lane);
  lanes.add(second.lane);
  first.link.isFull = true;
  for (const _ of range(3)) assert.equal(lanes.pick(), second.lane);
  second.lane.leave();
  assert.equal(lanes.pick(), null);
  assert.equal(lanes.isReachable, true);
  lanes.delete(first.lane);
  lanes.delete(first.lane);
  assert.deepEqual([lanes.size, lanes.isReachable], [1, false]);
});

test("replier lanes: a replier that is not known yet, or shared, gets the envelope of REQ", () => {
  const [unknown, shared] = [lane(), lane({ isShared: true })];
  unknown.lane.send(request(1));
  shared.lane.send(request(1));
  assert.deepEqual(
    [unknown, shared].map(({ sent }) => sent[0]!.map(({ length }) => length)),
    [
      [20, 0, 1],
      [12, 0, 1],
    ],
  );
});

test("replier lanes: what was given up before its replier was known is told when it is", () => {
  const { lane: own, sent } = lane();
  for (const n of range(3)) own.send(request(n));
  own.cancel(request(1).id);
  assert.equal(sent.length, 3);
  own.known();
  own.known();
  own.leave();
  const entries = sent.slice(3).flatMap(([frame]) => decodeEntries(Buffer.from(frame!)));
  assert.deepEqual(
    entries.map(({ kind, id }) => [kind, id[0]]),
    [
      [REQUEST_KINDS.cancel, 1],
      [REQUEST_KINDS.left, 0],
    ],
  );
});

test("replier lanes: at the farewell everything before it is sent first, and what was given up is not", () => {
  const { lane: own, sent } = lane();
  own.known();
  for (const n of range(4)) own.send(request(n));
  own.cancel(request(2).id);
  own.cancel(request(0).id);
  own.leave();
  const frames = sent.map(([frame]) => Buffer.from(frame!));
  assert.ok(frames.every(isRequests));
  const entries = frames.flatMap((frame) => decodeEntries(frame));
  assert.deepEqual(
    entries.map(({ kind, id }) => [kind, id[0]]),
    [
      [REQUEST_KINDS.request, 0],
      [REQUEST_KINDS.request, 1],
      [REQUEST_KINDS.request, 3],
      [REQUEST_KINDS.cancel, 0],
      [REQUEST_KINDS.left, 0],
    ],
  );
});
