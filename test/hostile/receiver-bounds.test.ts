import assert from "node:assert/strict";
import { test } from "node:test";
import { range } from "../support/fixtures.ts";
import { MetReceiver } from "../support/met-receiver.ts";

/** What a receiver of these lets wait at most (bytes): twice both together. */
const CREDIT = { prefetchBytesMax: 100_000, messageBytesMax: 50_000 };
const BOUND = 300_000;
const LONG = 50_000;

test("receiver: a sender that ignores the byte credit is refused, with a reason, at a small multiple of the credit", () => {
  const receiver = new MetReceiver(CREDIT);
  const sender = receiver.meet();
  let sent = 0;
  while (sender.refusal === null && sent < 100) sender.data(++sent, [LONG]);
  assert.equal(sent, BOUND / LONG + 1);
  assert.match(sender.refusal ?? "", /prefetchBytesMax is 100000/);
  assert.match(receiver.problems[0] ?? "", /more than was granted/);
});

test("receiver: with a larger byte credit it is not refused (control)", () => {
  const receiver = new MetReceiver({ ...CREDIT, prefetchBytesMax: 10 ** 9 });
  const sender = receiver.meet();
  for (const index of range(100)) sender.data(index + 1, [LONG]);
  assert.equal(sender.refusal, null);
  assert.equal(receiver.links.counts.waiting, 100);
});

test("receiver: messages that are taken make room, and a batch counts as long as any of it waits", () => {
  const receiver = new MetReceiver(CREDIT);
  const sender = receiver.meet();
  for (const index of range(50)) {
    sender.data(index + 1, [LONG]);
    receiver.take()?.done();
  }
  assert.equal(sender.refusal, null);
  // Of each batch all but the last message is taken back: its memory is still needed.
  for (const index of range(50)) {
    const first = 1_000 + index * 10;
    sender.data(first, [LONG, 1]);
    if (sender.refusal !== null) break;
    sender.say({ type: "revoked", ranges: [{ first, last: first }] });
  }
  assert.match(sender.refusal ?? "", /more than was granted/);
});

test("receiver: streams that senders have left together keep no more than one may", () => {
  const receiver = new MetReceiver(CREDIT);
  for (const index of range(20)) {
    const sender = receiver.meet(`${index}`.padStart(32, "0"));
    for (const seq of [1, 2, 3]) sender.data(seq, [LONG]);
    sender.say({ type: "close" });
  }
  assert.ok(receiver.links.counts.waiting <= BOUND / LONG, `${receiver.links.counts.waiting} wait`);
  assert.ok(receiver.links.counts.waiting > 0, "a short loss of the connection costs everything");
});

/** Ranges that a receiver remembers of a stream before it delivers no more (count). */
const REMEMBERED_MAX = 65_536;

test("receiver: the messages of a sender that never sends progress are held back, until it does", () => {
  const receiver = new MetReceiver();
  const sender = receiver.meet();
  let taken = 0;
  // Every second message only: each is a range of its own.
  for (let seq = 1; taken === (seq - 1) / 2; seq += 2) {
    sender.data(seq, [1]);
    const next = receiver.take();
    if (next === null) break;
    next.done();
    taken += 1;
  }
  assert.equal(taken, REMEMBERED_MAX);
  assert.equal(sender.refusal, null);
  sender.say({ type: "progress", number: 2 ** 40 });
  assert.notEqual(receiver.take(), null);
});

test("receiver: of many rejections the newest reasons are kept, and the oldest remain rejections", () => {
  const receiver = new MetReceiver({ prefetch: 10_000 });
  const sender = receiver.meet();
  const count = 3_000;
  sender.data(
    1,
    range(count).map(() => 1),
  );
  const { stream } = receiver.links.inFlight.next(count)!;
  for (let seq = 1; seq <= count; seq++)
    receiver.links.inFlight.reject(stream, seq, { reason: `reason ${seq}`, error: null });
  assert.ok(stream.rejections.size < count);
  sender.heard.length = 1;
  sender.data(1, [1]);
  sender.data(count, [1]);
  const said = sender.heard.filter(({ type }) => type === "reject").map(({ text }) => text);
  assert.deepEqual(said, ["rejected", `reason ${count}`]);
});
