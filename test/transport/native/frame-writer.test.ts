import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameWriter } from "../../../lib/transport/native/frame-writer.ts";
import type { NativeMessage } from "../../../lib/transport/native/native.ts";
import { eventually, turn } from "../../support/eventually.ts";
import { range } from "../../support/fixtures.ts";
import { collectGarbage } from "../../support/garbage.ts";

/** A native socket that takes a message when the test says so. */
function setUp() {
  const log: string[] = [];
  let ends: { resolve: () => void; reject: (error: unknown) => void } | null = null;
  const writer = new FrameWriter({
    send: (message: NativeMessage) => {
      assert.equal(ends, null, "two sends at the same time");
      log.push(`send ${message}`);
      return new Promise<void>((resolve, reject) => {
        ends = { resolve, reject };
      });
    },
    onIdle: () => log.push("idle"),
    onSent: (count, bytes) => log.push(`sent ${count} ${bytes}`),
    onFailed: (error, count) => log.push(`failed ${count} ${(error as Error).message}`),
  });
  const settle = async (error?: Error): Promise<void> => {
    const { resolve, reject } = ends!;
    ends = null;
    if (error === undefined) resolve();
    else reject(error);
    await turn();
  };
  const write = (text: string, count = 1): void =>
    writer.write(Buffer.from(text), count, text.length);
  return { writer, log, settle, write };
}

test("frame writer: an idle writer sends at once", () => {
  const { writer, log, write } = setUp();
  assert.equal(writer.idle, true);
  write("a");
  assert.deepEqual(log, ["send a"]);
  assert.equal(writer.idle, false);
});

test("frame writer: one send at a time, in order, idle when everything was sent", async () => {
  const { writer, log, settle, write } = setUp();
  write("a");
  write("bb", 5);
  assert.equal(writer.bytes, 3);
  assert.equal(writer.count, 6);
  await settle();
  assert.deepEqual(log, ["send a", "send bb", "sent 1 1"]);
  assert.equal(writer.bytes, 2);
  assert.equal(writer.count, 5);
  await settle();
  assert.deepEqual(log.slice(3), ["sent 5 2", "idle"]);
  assert.equal(writer.bytes, 0);
  assert.equal(writer.count, 0);
});

test("frame writer: a refused message is reported, and the next one goes", async () => {
  const { writer, log, settle, write } = setUp();
  write("a", 3);
  write("b");
  await settle(new Error("no"));
  assert.deepEqual(log, ["send a", "send b", "failed 3 no"]);
  await settle();
  assert.equal(writer.idle, true);
  assert.deepEqual(log.slice(3), ["sent 1 1", "idle"]);
});

test("frame writer: a refusal of the last message makes it idle again", async () => {
  const { writer, log, settle, write } = setUp();
  write("a");
  await settle(new Error("no"));
  assert.deepEqual(log.slice(1), ["failed 1 no", "idle"]);
  assert.equal(writer.idle, true);
});

test("frame writer: after close nothing is sent and nothing is reported", async () => {
  const { log, settle, write, writer } = setUp();
  write("a");
  write("b");
  writer.close();
  write("c");
  await settle(new Error("closed"));
  assert.deepEqual(log, ["send a"]);
});

test("frame writer: thousands of messages are sent in order, and counted", async () => {
  const sent: number[] = [];
  let idles = 0;
  const writer = new FrameWriter({
    send: async (message) => {
      sent.push(Number(message.toString()));
    },
    onIdle: () => {
      idles += 1;
    },
    onSent: () => {},
    onFailed: () => assert.fail(),
  });
  for (const index of range(5_000)) {
    const text = String(index);
    writer.write(Buffer.from(text), 1, text.length);
    if (index % 1_700 === 0) await turn();
  }
  await turn();
  assert.deepEqual(sent, range(5_000));
  assert.equal(writer.bytes, 0);
  assert.equal(writer.count, 0);
  assert.ok(idles >= 1);
});

test("frame writer: sent messages are released, however many wait", async () => {
  const { write, settle, writer } = setUp();
  write("a");
  const handed = new WeakRef(writeOne(writer));
  write("c");
  write("d");
  await settle();
  await settle();
  assert.equal(writer.idle, false);
  await eventually(() => {
    collectGarbage();
    assert.equal(handed.deref(), undefined);
  });
});

test("frame writer: close releases the waiting messages, even if the current send never ends", async () => {
  const { write, writer } = setUp();
  write("a");
  const waiting = new WeakRef(writeOne(writer));
  writer.close();
  await eventually(() => {
    collectGarbage();
    assert.equal(waiting.deref(), undefined);
  });
});

/** In a function of its own, so that no register of the test holds the frame. */
function writeOne(writer: FrameWriter): Buffer {
  const frame = Buffer.alloc(10);
  writer.write(frame, 1, 10);
  return frame;
}
