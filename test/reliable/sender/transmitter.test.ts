import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../lib/batch/batch.ts";
import { BatchEncoder } from "../../../lib/batch/batch-encoder.ts";
import { messageBytes } from "../../../lib/delivery/dispatch/consumer.ts";
import { newSenderSession } from "../../../lib/reliable/sender/sender-session.ts";
import { Transmitter } from "../../../lib/reliable/sender/transmitter.ts";

test("transmitter: of a piece that is heavier than its batch, the sender counts what it sends", () => {
  const encoder = new BatchEncoder();
  for (const size of [10_000, 1, 1, 1]) encoder.add(Buffer.alloc(size));
  const draft = encoder.take();
  draft.seal({ stream: Buffer.alloc(16, 1), epoch: 1, seqFirst: 1, durableBefore: 0, timeMs: 0 });
  const batch = new Batch(draft.batch);
  const weighed: (readonly number[])[] = [];
  const sent: number[] = [];
  const transmitter = new Transmitter({
    backlog: { find: () => batch } as never,
    wantsReceipts: () => false,
    isWatching: () => false,
    held: () => [],
    weigh: (_, { first, last }, bytesEach) => weighed.push([first, last, bytesEach]),
    onResumed: () => assert.fail(),
    onMissing: () => assert.fail(),
    onFailed: () => assert.fail(),
  });
  const peer = {
    address: "x",
    name: null,
    send: (parts: readonly Uint8Array[]) => sent.push(parts[1]!.length),
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
  transmitter.add(link, { first: 1, last: 1, attempt: 1, guarded: false });
  transmitter.add(link, { first: 2, last: 4, attempt: 1, guarded: false });
  transmitter.add(link, { first: 1, last: 4, attempt: 2, guarded: false });
  // The light piece is counted by the average, which is more than it is, and the whole batch is what it is.
  assert.deepEqual(weighed, [[1, 1, messageBytes(sent[0]!, 1)]]);
});
