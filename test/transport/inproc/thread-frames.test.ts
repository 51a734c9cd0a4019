import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { fromThread, toThread } from "../../../lib/transport/inproc/thread-frames.ts";

/** As the other thread gets it: strings arrive as UTF-8. */
function arrived(message: readonly Uint8Array[] | Uint8Array): Buffer[] {
  return toThread(message).map((frame) => Buffer.from(frame as string));
}

test("thread frames: every message arrives as it was sent", () => {
  for (const lengths of [[0], [128], [129], [70_000], [4, 0, 1_000], [500, 500, 3], []]) {
    const message = lengths.map((length) => randomBytes(length));
    assert.deepEqual(fromThread(arrived(message)), message, `frames of ${lengths} bytes`);
  }
  const body = randomBytes(1_000);
  assert.deepEqual(fromThread(arrived(body)), [body]);
});

test("thread frames: no memory of the sender goes beyond 128 bytes, whatever is in it", () => {
  const ascii = Buffer.alloc(1_000, "a");
  const utf8 = Buffer.from("ä€😀".repeat(100));
  for (const frame of [randomBytes(129), ascii, utf8]) {
    const sent = toThread([frame, randomBytes(128)]);
    for (const each of sent) assert.ok(typeof each === "string" || each.length <= 128, typeof each);
  }
});

test("thread frames: UTF-8 goes as it is, for a topic must be found by its beginning", () => {
  const topic = Buffer.from("quotes.".repeat(50));
  assert.deepEqual(arrived([topic, Buffer.alloc(10)]), [topic, Buffer.alloc(10)]);
});
