import assert from "node:assert/strict";
import { test } from "node:test";
import { Guard } from "../../../../lib/reliable/receiver/sessions/guard.ts";
import type { ReceiverStream } from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";
import { turn } from "../../../support/eventually.ts";

/** What of a stream the guard looks at. */
interface Stream {
  link: { acks: number } | null;
  cancelGrace: (() => void) | null;
  asksFor: number | null;
  readonly window: { guardedNext: number; unackedCount: number; holds: (seq: number) => boolean };
}

/** The streams of a receiver, the first of which has guarded messages, and what their senders are asked. */
class Receiver {
  readonly asked: string[] = [];
  readonly #unacked = new Set<number>();
  readonly one: ReceiverStream & Stream = this.#stream(7);
  readonly other: ReceiverStream & Stream = this.#stream(0);
  readonly guard: Guard = new Guard({
    streams: () => [this.one, this.other],
    ask: (_, ranges) => this.asked.push(ranges.map(({ first }) => first).join() || "saved?"),
    sendAcks: () => Promise.resolve(),
    onFree: () => {},
  });

  /** What may be begun of the first stream. */
  get next(): string {
    const { guard, one } = this;
    return guard.isClosed(one) ? "closed" : guard.next(one, one.window.guardedNext);
  }

  go(...seqs: number[]): void {
    this.guard.go(
      this.one,
      seqs.map((seq) => ({ first: seq, last: seq })),
    );
  }

  /** Begins the guarded message that is next, is done with it, and says so. */
  async work(): Promise<void> {
    const { window } = this.one;
    const seq = window.guardedNext;
    this.guard.enter(this.one, seq);
    this.#unacked.add(seq);
    window.guardedNext = 0;
    this.#unacked.delete(seq);
    this.guard.ended();
    await turn();
  }

  #stream(guardedNext: number): ReceiverStream & Stream {
    const window = { guardedNext, unackedCount: 0, holds: (seq: number) => this.#unacked.has(seq) };
    const stream: Stream = { link: { acks: 1 }, cancelGrace: null, asksFor: null, window };
    return stream as ReceiverStream & Stream;
  }
}

test("guard: from the question whether a message may be begun nothing else is, until it is answered for", async () => {
  const receiver = new Receiver();
  const { guard, one, other } = receiver;
  assert.equal(guard.isClosed(other), false);
  assert.equal(receiver.next, "nothing");
  assert.ok(guard.isClosed(other), "asked for");
  receiver.go(7);
  assert.ok(guard.isClosed(other), "it may be begun, and is not yet");
  assert.equal(receiver.next, "now");
  await receiver.work();
  assert.ok(
    guard.isClosed(other) && guard.isClosed(one),
    "its sender may not have saved the answer",
  );
  receiver.go();
  assert.equal(guard.isClosed(other), false);
  assert.deepEqual(receiver.asked, ["7", "saved?"]);
});

test("guard: a sender is asked one thing at a time, so a go is the answer to the last question", async () => {
  const receiver = new Receiver();
  const { guard, one, other } = receiver;
  assert.equal(receiver.next, "nothing");
  receiver.go(7);
  await receiver.work();
  assert.ok(guard.isClosed(one));
  one.window.guardedNext = 8;
  assert.equal(receiver.next, "nothing");
  assert.deepEqual(receiver.asked, ["7", "saved?"]);
  // Of the answer to 7, not of leave to begin 8.
  receiver.go();
  assert.equal(receiver.next, "nothing");
  receiver.go(8);
  assert.equal(receiver.next, "now");
  await receiver.work();
  assert.ok(guard.isClosed(other), "the answer to 8 is not known to be saved");
  assert.deepEqual(receiver.asked, ["7", "saved?", "8", "saved?"]);
});

test("guard: what was asked for and is not next any more is taken back before anything else is begun", () => {
  const receiver = new Receiver();
  const { guard, one, other } = receiver;
  assert.equal(receiver.next, "nothing");
  // A lower message has come again.
  one.window.guardedNext = 0;
  assert.ok(guard.isClosed(one) && guard.isClosed(other), "its sender may take it for begun");
  receiver.go(7);
  assert.ok(guard.isClosed(one) && guard.isClosed(other), "its sender has saved that it is begun");
  receiver.go();
  assert.ok(!guard.isClosed(one) && !guard.isClosed(other));
  assert.deepEqual(receiver.asked, ["7", "saved?"]);
});

test("guard: a message that is lost is not waited for, and a go that comes late begins nothing", () => {
  const receiver = new Receiver();
  const { guard, one, other } = receiver;
  assert.equal(receiver.next, "nothing");
  guard.revoked(one, [{ first: 5, last: 9 }]);
  assert.equal(guard.isClosed(other), false);
  // It comes again: leave for the attempt before is none for this one.
  assert.equal(receiver.next, "nothing");
  receiver.go(7);
  assert.equal(receiver.next, "nothing");
  receiver.go(7);
  assert.equal(receiver.next, "now");
  assert.deepEqual(receiver.asked, ["7", "7"]);
});

test("guard: a question dies with its session, and is asked again in the next", () => {
  const receiver = new Receiver();
  const { guard, one, other } = receiver;
  assert.equal(receiver.next, "nothing");
  Object.assign(one, { link: null, cancelGrace: () => {}, asksFor: null });
  assert.equal(receiver.next, "others");
  assert.ok(guard.isClosed(other), "its sender may have saved that it is begun");
  Object.assign(one, { link: { acks: 1 }, cancelGrace: null });
  assert.equal(receiver.next, "nothing");
  receiver.go(7);
  assert.equal(receiver.next, "now");
});

test("guard: who ended its stream, or did not come back, holds back nobody", async () => {
  const asked = new Receiver();
  assert.equal(asked.next, "nothing");
  const answered = new Receiver();
  assert.equal(answered.next, "nothing");
  answered.go(7);
  await answered.work();
  for (const { guard, one, other } of [asked, answered]) {
    assert.ok(guard.isClosed(other));
    one.link = null;
    assert.equal(guard.isClosed(other), false);
  }
});
