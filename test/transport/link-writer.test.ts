import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Channel } from "../../lib/transport/channel.ts";
import { LinkWriter } from "../../lib/transport/link-writer.ts";
import { RouterPeers } from "../../lib/transport/router-peers.ts";
import { range } from "../support/fixtures.ts";

const EAGAIN = Object.assign(new Error("not now"), { code: "EAGAIN" });
/** As in link-writer.ts (milliseconds). */
const STUCK_MS = 30_000;

/** A native socket whose peers take a message, or do not. */
class FakeChannel {
  readonly addresses = { bound: ["tcp://127.0.0.1:1"], connected: [] };
  closed = false;
  /** Messages that it takes before it says "not now" (count). */
  takes = 0;
  tries = 0;
  sent = 0;

  async send(): Promise<void> {
    this.tries += 1;
    if (this.takes === 0) throw EAGAIN;
    this.takes -= 1;
    this.sent += 1;
  }
}

function setUp() {
  const fake = new FakeChannel();
  const told = { gone: 0, stuck: 0 };
  const writer = new LinkWriter(fake as unknown as Channel, {
    onGone: () => (told.gone += 1),
    onStuck: () => (told.stuck += 1),
  });
  return { fake, told, writer };
}

/** Lets time pass in small steps, and all that follows from each. */
async function pass(t: TestContext, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    t.mock.timers.tick(10);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
  }
}

test("link writer: a peer that reads nothing is dropped when too much waits for it", async () => {
  const { told, writer } = setUp();
  const message = [Buffer.alloc(1_000)];
  let written = 0;
  for (; told.stuck === 0 && written < 100_000; written += 1) writer.write(message, false);
  assert.ok(written * 1_000 <= 4 * 2 ** 20, `${written} messages`);
  // What is said to it later goes nowhere.
  writer.write(message, false);
  assert.deepEqual([told, writer.isIdle], [{ gone: 0, stuck: 1 }, true]);
  await writer.idle();
});

test("link writer: data within a peer's credit does not count (control)", async (t) => {
  const { fake, told, writer } = setUp();
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  for (const _ of range(100)) writer.write([Buffer.alloc(1), Buffer.alloc(2 ** 17)], true);
  assert.equal(told.stuck, 0);
  fake.takes = 100;
  await pass(t, 1_000);
  assert.equal(fake.sent, 100);
});

test("link writer: it reports when much data waits, and once when little does", async (t) => {
  const { fake, writer } = setUp();
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  const told: string[] = [];
  for (const index of range(21)) {
    // The first is on its way, and waits no more.
    assert.equal(writer.isFull, index > 17);
    writer.write([Buffer.alloc(1), Buffer.alloc(2 ** 16 - 257)], true);
  }
  // What is no data counts elsewhere.
  for (const _ of range(10)) writer.write([Buffer.alloc(2 ** 16)], false);
  writer.onRoom(() => told.push("first"));
  writer.onRoom(() => told.push("second"));
  fake.takes = 11;
  await pass(t, 1_000);
  assert.deepEqual(told, []);
  fake.takes = 1;
  await pass(t, 1_000);
  assert.deepEqual([told, writer.isFull], [["second"], false]);
  fake.takes = 100;
  await pass(t, 1_000);
  assert.deepEqual([told, fake.sent], [["second"], 31]);
});

test("link writer: it retries less and less often, and stops eventually", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  const { fake, told, writer } = setUp();
  writer.write([Buffer.alloc(1)], false);
  await pass(t, STUCK_MS - 1_000);
  assert.equal(told.stuck, 0);
  await pass(t, 2_000);
  const { tries } = fake;
  assert.ok(tries < 500, `${tries} tries`);
  await pass(t, 60_000);
  assert.deepEqual([told, fake.tries], [{ gone: 0, stuck: 1 }, tries]);
});

test("link writer: a peer that reads now and then is not dropped (control)", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setImmediate"] });
  const { fake, told, writer } = setUp();
  for (const _ of range(20)) writer.write([Buffer.alloc(1)], false);
  for (const _ of range(20)) {
    await pass(t, STUCK_MS - 5_000);
    fake.takes = 1;
    await pass(t, 500);
  }
  assert.deepEqual([told.stuck, fake.sent], [0, 20]);
});

test("router peers: messages of a peer that does not read are ignored for a while", (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, "now", () => nowMs);
  const fake = new FakeChannel();
  const stuck: unknown[] = [];
  const peers = new RouterPeers({
    channel: fake as unknown as Channel,
    onGone: () => {},
    onStuck: (peer) => {
      stuck.push(peer);
      peer.close();
    },
  });
  t.after(() => peers.close());
  const id = Buffer.from("hostile");
  const answer = [Buffer.alloc(1_000)];
  let listened = 0;
  for (const _ of range(20_000)) {
    const peer = peers.heard(id);
    if (peer === null) continue;
    listened += 1;
    peer.send(answer);
    peer.forget();
  }
  assert.ok(listened > 1_000 && listened < 5_000, `listened to ${listened}`);
  assert.equal(stuck.length, 1);
  // Others are heard, and so is it when it has rested.
  assert.notEqual(peers.heard(Buffer.from("honest")), null);
  assert.equal(peers.heard(id), null);
  nowMs += 1_000;
  assert.notEqual(peers.heard(id), null);
});
