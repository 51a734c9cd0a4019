import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Batch } from "../../../lib/batch/batch.ts";
import { BatchEncoder } from "../../../lib/batch/batch-encoder.ts";
import { messageBytes } from "../../../lib/delivery/consumers/consumer.ts";
import { RangeSet } from "../../../lib/delivery/range/range-set.ts";
import { newSenderSession } from "../../../lib/reliable/sender/sender-session.ts";
import { SENDS_PER_TURN, Transmitter } from "../../../lib/reliable/sender/transmitter.ts";
import { range } from "../../support/fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A batch of messages of some sizes (bytes). */
function batchOf(seqFirst: number, sizes: readonly number[]): Batch {
  const encoder = new BatchEncoder();
  for (const size of sizes) encoder.add(Buffer.alloc(size));
  const draft = encoder.take();
  draft.seal({ stream: Buffer.alloc(16, 1), epoch: 1, seqFirst, durableBefore: 0, timeMs: 0 });
  return new Batch(draft.batch);
}

/** A session whose peer hears what it is sent. */
function session(send: (parts: readonly Uint8Array[]) => void) {
  const peer = {
    address: "x",
    isShared: false,
    name: null,
    send,
    close: () => {},
    isFull: false,
    onRoom: () => {},
    forget: () => {},
  };
  const hello = {
    receiver: "r",
    incarnation: "",
    codec: "raw",
    prefetch: 10,
    prefetchBytesMax: 1,
    messageBytesMax: 1,
  };
  const link = newSenderSession(1, { peer, session: 1, hello, nowMs: 0, cacheBytesMax: 1_000 });
  link.isKnown = true;
  return link;
}

test("transmitter: of a piece that is heavier than its batch, the sender counts what it sends", () => {
  const batch = batchOf(1, [10_000, 1, 1, 1]);
  const weighed: (readonly number[])[] = [];
  const sent: number[] = [];
  const transmitter = new Transmitter({
    backlog: { find: () => batch } as never,
    clock: new ManualClock(),
    wantsReceived: () => false,
    isWatching: () => false,
    held: () => [],
    weigh: (_, { first, last }, bytesEach) => weighed.push([first, last, bytesEach]),
    onResumed: () => assert.fail(),
    onMissing: () => assert.fail(),
    onFailed: () => assert.fail(),
  });
  const link = session((parts) => sent.push(parts[1]!.length));
  transmitter.add(link, { first: 1, last: 1, attempt: 1, guarded: false });
  transmitter.add(link, { first: 2, last: 4, attempt: 1, guarded: false });
  transmitter.add(link, { first: 1, last: 4, attempt: 2, guarded: false });
  // The light piece is counted by the average, which is more than it is, and the whole batch is what it is.
  assert.deepEqual(weighed, [[1, 1, messageBytes(sent[0]!, 1)]]);
});

/** Many single messages of batches that have to be read back, one batch at a time, are due. */
async function readBack(t: TestContext, { batches = 50, each = 40 } = {}) {
  const clock = new ManualClock();
  const all = range(batches).map((index) => batchOf(index * each + 1, Array(each).fill(1)));
  let lent: Batch | null = null;
  const counts = { looks: 0, loads: 0, most: 0 };
  const sent: number[] = [];
  const held = new RangeSet();
  const transmitter = new Transmitter({
    backlog: {
      find: (seq) => (lent !== null && lent.seqFirst <= seq && seq <= lent.seqLast ? lent : null),
      look: async (seq) => {
        counts.loads += 1;
        return all[Math.floor((seq - 1) / each)]!;
      },
      lend: (batch) => {
        lent = batch;
      },
    },
    clock,
    wantsReceived: () => false,
    isWatching: () => false,
    held: (_, { first, last }) => {
      counts.looks += 1;
      return held.parts(first, last);
    },
    weigh: () => {},
    onResumed: () => {},
    onMissing: () => assert.fail(),
    onFailed: (_, error) => assert.fail(String(error)),
  });
  const link = session((parts) => sent.push(new Batch(Buffer.from(parts[1]!)).seqFirst));
  const due = range((batches * each) / 2).map((index) => 2 * index + 1);
  for (const seq of due) held.add(seq, seq);
  // Its right to some of them ends while they wait.
  const [lost] = held.delete(401, 401);
  assert.ok(lost);
  for (const seq of due) {
    transmitter.add(link, { first: seq, last: seq, attempt: 1, guarded: false });
  }
  while (link.outgoing.size > 0) {
    const before = sent.length;
    for (let idle = 0; idle < 20; ) {
      const { loads } = counts;
      await Promise.resolve();
      idle = counts.loads === loads ? idle + 1 : 0;
    }
    counts.most = Math.max(counts.most, sent.length - before);
    clock.advance(0);
  }
  t.diagnostic(`${JSON.stringify(counts)}`);
  return { counts, sent, due: due.filter((seq) => seq !== 401), batches };
}

test("transmitter: what is read back is looked at once for each piece, and sent over turns", async (t) => {
  const { counts, sent, due, batches } = await readBack(t);
  assert.deepEqual(sent, due);
  assert.equal(counts.loads, batches);
  const turns = Math.ceil(due.length / SENDS_PER_TURN);
  assert.ok(counts.looks <= due.length + batches + 2 * turns, `${counts.looks} looks`);
  // What one turn of the clock sends, and then what is loaded behind it.
  assert.ok(counts.most <= SENDS_PER_TURN, `${counts.most} in a turn`);
});
