import assert from "node:assert/strict";
import { test } from "node:test";
import { type HeldRequest, HeldRequests } from "../../../lib/plain/request/held-requests.ts";
import { ReplyWriter, type SendableReply } from "../../../lib/plain/request/reply-writer.ts";
import type { RequestingPeer } from "../../../lib/plain/request/requesting-peers.ts";
import { eventually } from "../../support/eventually.ts";
import { range } from "../../support/fixtures.ts";

const EAGAIN = Object.assign(new Error("not now"), { code: "EAGAIN" });
/** As in reply-writer.ts and held-requests.ts (bytes). */
const WAITING_BYTES_MAX = 4 * 2 ** 20;
const BESIDE_BYTES = 256;
/** The pauses before a peer is given up, and the turns before them (count). */
const TRIES_MAX = 100;

interface FakePeer {
  readonly key: string;
  readonly open: number;
  isGone: boolean;
  isDeaf: boolean;
  readonly id: Buffer;
  /** Replies that it takes before ZeroMQ says "not now" (count). */
  takes: number;
  tries: number;
}

const peerOf = (name: string, takes: number): FakePeer => ({
  key: name,
  open: 1,
  isGone: false,
  isDeaf: false,
  id: Buffer.from(name),
  takes,
  tries: 0,
});

function setUp(...peers: FakePeer[]) {
  const log = {
    sent: [] as number[],
    dropped: [] as number[],
    causes: [] as string[],
    flowing: [] as RequestingPeer[],
  };
  let closed = false;
  const writer = new ReplyWriter({
    send: async ([id]) => {
      const peer = peers.find((each) => each.id === id)!;
      peer.tries += 1;
      if (peer.takes === 0) throw EAGAIN;
      peer.takes -= 1;
    },
    isClosed: () => closed,
    onSent: ({ numbers }) => log.sent.push(...numbers),
    onDropped: (replies, cause) => {
      log.dropped.push(...replies.flatMap(({ numbers }) => numbers));
      log.causes.push((cause as Error).message);
    },
    onFlowing: (peer) => log.flowing.push(peer),
  });
  const close = (): void => {
    closed = true;
    writer.close();
  };
  return { writer, log, close };
}

const reply = (peer: FakePeer, number: number, bytes = 10): SendableReply => ({
  peer,
  numbers: [number],
  bytes,
  frames: [peer.id, Buffer.alloc(bytes)],
});

test("reply writer: what a peer does not take gives its writer back, and others get theirs", async () => {
  const [stuck, well] = [peerOf("stuck", 0), peerOf("well", Number.POSITIVE_INFINITY)];
  const { writer, log, close } = setUp(stuck, well);
  for (const number of range(50)) {
    await writer.write(reply(stuck, number));
    await writer.write(reply(well, 100 + number));
  }
  assert.deepEqual(
    log.sent,
    range(50).map((number) => 100 + number),
  );
  assert.deepEqual([writer.isStuck(stuck), writer.isStuck(well)], [true, false]);
  close();
});

test("reply writer: one loop tries for a peer, however many replies wait; it gets all, in order", async () => {
  const peer = peerOf("late", 0);
  const { writer, log } = setUp(peer);
  for (const number of range(1_000)) await writer.write(reply(peer, number));
  await eventually(() => assert.ok(peer.tries > 10));
  assert.ok(peer.tries < TRIES_MAX, `${peer.tries} tries`);
  peer.takes = Number.POSITIVE_INFINITY;
  await eventually(() => assert.deepEqual(log.flowing, [peer]));
  assert.deepEqual([log.sent, log.dropped], [range(1_000), []]);
  await writer.write(reply(peer, 1_000));
  assert.equal(log.sent.at(-1), 1_000);
});

test("reply writer: what waits for a peer is bounded, and the first one waits whatever its length", async () => {
  const [full, large] = [peerOf("full", 0), peerOf("large", 0)];
  const { writer, log, close } = setUp(full, large);
  const fit = Math.floor(WAITING_BYTES_MAX / (BESIDE_BYTES + full.id.length + 1_000));
  for (const number of range(fit + 3)) await writer.write(reply(full, number, 1_000));
  assert.deepEqual(log.dropped, [fit, fit + 1, fit + 2]);
  await writer.write(reply(large, 9_000, 2 * WAITING_BYTES_MAX));
  await writer.write(reply(large, 9_001));
  assert.deepEqual(log.dropped.slice(3), [9_001]);
  close();
  assert.equal(log.dropped.length, fit + 5);
});

test("reply writer: a peer that takes nothing for a second loses what waits, and is tried anew", async () => {
  const peer = peerOf("deaf", 0);
  const { writer, log } = setUp(peer);
  for (const number of range(3)) await writer.write(reply(peer, number));
  await eventually(() => assert.deepEqual(log.flowing, [peer]));
  assert.deepEqual([log.dropped, log.causes], [range(3), ["not now"]]);
  assert.ok(peer.tries > 1_000 / 16 && peer.tries < TRIES_MAX, `${peer.tries} tries`);
  assert.equal(peer.isDeaf, true);
  peer.takes = 1;
  await writer.write(reply(peer, 3));
  assert.deepEqual([log.sent, peer.isDeaf], [[3], false]);
});

test("reply writer: a peer that goes is not sent what waited, nor what comes later", async () => {
  const peer = peerOf("gone", 0);
  const { writer, log } = setUp(peer);
  await writer.write(reply(peer, 0));
  peer.isGone = true;
  writer.forget(peer);
  assert.deepEqual(log.dropped, [0]);
  // Whoever has its id now would take them.
  peer.takes = 10;
  await writer.write(reply(peer, 1));
  const { tries } = peer;
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([log.sent, log.dropped, peer.tries], [[], [0, 1], tries]);
});

function requests(stuck: Set<RequestingPeer>) {
  const dropped: HeldRequest[] = [];
  const held = new HeldRequests({
    isStuck: (peer) => stuck.has(peer),
    onDropped: (asked) => dropped.push(asked),
  });
  /** Reads one, and looks what is to be done with it. */
  const read = (peer: FakePeer, body: string, bytes = 1): void => {
    const request = Buffer.concat([Buffer.from(body), Buffer.alloc(bytes)]);
    const wire = { envelope: [peer.id], id: null, deadlineMs: Number.POSITIVE_INFINITY };
    const state = { number: 1, isCancelled: false };
    held.add({ peer, request: { ...wire, body: request, headers: null }, ...state });
    held.look();
  };
  const takeAll = (): string[] => {
    const taken: string[] = [];
    while (held.look()) taken.push(held.take().request.body.toString("utf8", 0, 2));
    return taken;
  };
  return { held, dropped, read, takeAll };
}

test("held requests: those of a peer that does not read wait, and take turns when it reads", () => {
  const [late, well] = [peerOf("late", 0), peerOf("well", 0)];
  const stuck = new Set<RequestingPeer>([late]);
  const { held, dropped, read, takeAll } = requests(stuck);
  for (const n of range(3)) read(late, `l${n}`);
  for (const n of range(3)) read(well, `w${n}`);
  assert.deepEqual(takeAll(), ["w0", "w1", "w2"]);
  stuck.clear();
  held.flow(late);
  for (const n of range(2)) read(well, `v${n}`);
  read(late, "l3");
  const taken = takeAll();
  assert.deepEqual(
    taken.filter((body) => body.startsWith("l")),
    ["l0", "l1", "l2", "l3"],
  );
  assert.ok(taken.indexOf("v1") < 4, taken.join());
  assert.deepEqual([dropped, held.look()], [[], false]);
});

const FIT = Math.floor(WAITING_BYTES_MAX / (BESIDE_BYTES + "deaf".length + 2 + 1_000));

test("held requests: those of one that was waited for in vain are bounded, and stop nobody", () => {
  const [deaf, well] = [peerOf("deaf", 0), peerOf("well", 0)];
  deaf.isDeaf = true;
  const { held, dropped, read, takeAll } = requests(new Set<RequestingPeer>([deaf]));
  for (const _ of range(FIT + 5)) {
    read(deaf, "dd", 1_000);
    assert.equal(held.isFull, false);
  }
  assert.equal(dropped.length, 5);
  read(well, "w0");
  assert.deepEqual(takeAll(), ["w0"]);
  assert.equal(held.forget(deaf).length, FIT);
  assert.equal(held.forget(deaf).length, 0);
});

test("held requests: of one that may read yet none is dropped: nothing is read until there is room", () => {
  const late = peerOf("late", 0);
  const stuck = new Set<RequestingPeer>([late]);
  const { held, dropped, read, takeAll } = requests(stuck);
  const fill = (): number => {
    let count = 0;
    for (; !held.isFull; count += 1) read(late, "ll", 1_000);
    return count;
  };
  assert.equal(fill(), FIT + 1);
  stuck.clear();
  held.flow(late);
  assert.equal(takeAll().length, FIT + 1);
  stuck.add(late);
  assert.equal(fill(), FIT + 1);
  // It was given up: others are read again.
  late.isDeaf = true;
  held.flow(late);
  assert.equal(held.isFull, false);
  read(late, "ll", 1_000);
  assert.equal(dropped.length, 1);
  assert.equal(held.forget(late).length, FIT + 1);
});

test("held requests: with nobody stuck so many are read ahead, and no more (control)", () => {
  const peer = peerOf("well", 0);
  const { held, read } = requests(new Set());
  let count = 0;
  for (; !held.isFull; count += 1) read(peer, "w0");
  assert.equal(count, 4_096);
  assert.equal(held.forget(peer).length, 4_096);
  count = 0;
  for (; !held.isFull; count += 1) read(peer, "w0", 2 ** 20);
  assert.equal(count, 4, "4 MiB");
  assert.deepEqual(held.forget(peerOf("other", 0)), []);
  assert.equal(held.isFull, true);
});
