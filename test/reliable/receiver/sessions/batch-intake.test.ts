import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch } from "../../../../lib/batch/batch.ts";
import { BatchEncoder } from "../../../../lib/batch/batch-encoder.ts";
import { LINK_FLAG, type LinkMessage } from "../../../../lib/delivery/protocol/link-message.ts";
import { BatchIntake } from "../../../../lib/reliable/receiver/sessions/batch-intake.ts";
import type { ReceiverStream } from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";

const STREAM = "5".repeat(32);

/** A batch of so many messages from seq 1 on, as it is sent. */
function batchOf(
  count: number,
  { stream = STREAM, epoch = 1, headers = {} as Record<string, string> } = {},
): Buffer {
  const encoder = new BatchEncoder();
  for (let index = 0; index < count; index++) {
    if (Object.keys(headers).length === 0) encoder.add(Buffer.alloc(10));
    else encoder.addEntry({ value: Buffer.alloc(10), headers });
  }
  const draft = encoder.take();
  const place = { stream: Buffer.from(stream, "hex"), epoch, seqFirst: 1 };
  draft.seal({ ...place, durableBefore: 0, timeMs: 0 });
  return Buffer.from(draft.batch);
}

/** What arrives at a stream that has room for four messages, where some wait already, and what its window is told. */
function arrival(waiting: { count: number; bytes: number } = { count: 0, bytes: 0 }): {
  readonly intake: BatchIntake;
  readonly stream: ReceiverStream;
  readonly steps: string[];
} {
  const steps: string[] = [];
  const window = {
    ...{
      waitingCount: waiting.count,
      unackedCount: 0,
      unsentCount: 0,
      waitingBytes: waiting.bytes,
    },
    step: ({ type, first, last }: { type: string; first?: number; last?: number }) =>
      steps.push(type === "data" ? `data ${first} to ${last}` : type),
  };
  const welcome = { incarnations: [{ epoch: 1, id: "e", seqFirst: 1 }] };
  const stream = { id: STREAM, window, welcome, isWatched: false } as unknown as ReceiverStream;
  const hello = { prefetch: 2, prefetchBytesMax: 100 };
  const options = { hello, waitingBytesMax: 200, headersMax: 20 };
  return { intake: new BatchIntake(options), stream, steps };
}

const DATA = { type: "data", number: 0, argument: 1, flags: 0 } as LinkMessage;

test("batch intake: a batch within what was granted goes into the window, and counts", () => {
  const { intake, stream, steps } = arrival();
  const bytes = batchOf(3);
  assert.ok(intake.take(stream, { ...DATA, flags: LINK_FLAG.watched }, bytes) instanceof Batch);
  assert.deepEqual(steps, ["progress", "data 1 to 3"]);
  assert.deepEqual([intake.frames, intake.bytes, stream.isWatched], [1, bytes.length, true]);
});

test("batch intake: a batch of many headers waits in parts, each of which is decoded in a turn of its own", () => {
  const { intake, stream, steps } = arrival();
  const headers = { a: "x".repeat(27) };
  assert.ok(intake.take(stream, DATA, batchOf(4, { headers })) instanceof Batch);
  assert.deepEqual(steps, ["progress", "data 1 to 2", "data 3 to 4"]);
});

const cut = batchOf(3).subarray(0, -1);
const FAULTS: readonly (readonly [string, RegExp, Buffer, { count: number; bytes: number }?])[] = [
  ["that is cut", /^a batch: /, cut],
  ["of another stream", /another stream/, batchOf(1, { stream: "6".repeat(32) })],
  ["of a later life", /or epoch/, batchOf(1, { epoch: 2 })],
  ["of more messages than there is room for", /prefetch/, batchOf(5)],
  ["behind others that fill the room", /prefetch/, batchOf(1), { count: 4, bytes: 0 }],
  [
    "behind as many bytes as may wait",
    /more than was granted/,
    batchOf(1),
    { count: 1, bytes: 200 },
  ],
];

for (const [name, fault, bytes, waiting] of FAULTS) {
  test(`batch intake: a batch ${name} is not taken, and does not count`, () => {
    const { intake, stream, steps } = arrival(waiting);
    assert.match(String(intake.take(stream, DATA, bytes)), fault);
    assert.deepEqual([steps, intake.frames, intake.bytes], [[], 0, 0]);
  });
}
