import assert from "node:assert/strict";
import { test } from "node:test";
import { ThreadFraming } from "../../../lib/transport/inproc/thread-framing.ts";

const MARKED = Buffer.from(`\x02brokerless base64\x03${"x".repeat(200)}`);

test("thread framing: over tcp and ipc frames are unchanged, in both directions", () => {
  const framing = new ThreadFraming("dealer");
  framing.use("network");
  const frames = [MARKED];
  assert.equal(framing.isInproc, false);
  assert.equal(framing.encode(frames), frames);
  assert.equal(framing.decode(frames), frames);
});

test("thread framing: over inproc a reader gets its own memory, and data that looks like a mark arrives as it was sent", () => {
  const framing = new ThreadFraming("dealer");
  framing.use("inproc");
  const [sent] = framing.encode([MARKED]) as [string];
  assert.notEqual(sent, MARKED.toString());
  const frame = Buffer.from(sent);
  assert.deepEqual(framing.decode([frame]), [MARKED]);
  const short = Buffer.from("short");
  const [read] = framing.decode([short]);
  assert.deepEqual(read, short);
  assert.notEqual(read!.buffer === short.buffer && read!.byteOffset === short.byteOffset, true);
});

test("thread framing: in the main thread both transports can be mixed, and no peer over tcp sees a mark", () => {
  const framing = new ThreadFraming("push");
  framing.use("inproc");
  framing.use("network");
  assert.equal(framing.isInproc, true);
  assert.equal(framing.encode(MARKED), MARKED);
});
