import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { generateKeyPair, Pull, Push } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";
import { frame } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

/** Empty frames that promise more, in one piece. */
const PARTS = Buffer.concat(Array.from({ length: 1_000 }, () => frame("", { more: true })));
/** Pieces after which an attacker gives up (count). */
const PIECES = 200;

/** Sends one message of endless parts. */
async function attack(t: TestContext, address: string): Promise<ZmtpPeer> {
  const peer = await ZmtpPeer.join(address, { socketType: "PUSH" });
  t.after(() => peer.destroy());
  for (let piece = 0; piece < PIECES && !peer.closed; piece++) {
    await peer.write(PARTS).catch(() => {});
  }
  return peer;
}

for (const [title, options, bindTo] of [
  ["when asked for", { gate: true }, "tcp://127.0.0.1:*"],
  ['beyond loopback with security "none"', { security: "none" }, "tcp://0.0.0.0:*"],
] as const) {
  test(`gate: ${title}, endless parts end their connection, and others are served`, async (t) => {
    const pull = open(t, new Pull<number>(options));
    const push = open(t, new Push<number>());
    const errors = errorsOf(pull);
    const address = (await pull.bind(bindTo)).replace("0.0.0.0", "127.0.0.1");
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    const attacker = await attack(t, address);
    await eventually(() => assert.equal(attacker.closed, true));
    await eventually(() => assert.match(errors[0]?.message ?? "", /too many frames/));
    for (let n = 0; n < 5_000; n++) await push.send(n);
    let count = 0;
    for await (const n of pull) {
      assert.equal(n, count);
      if (++count === 5_000) break;
    }
    await eventually(() => assert.equal(pull.stats().peers, 1));
  });
}

test("gate: control: without it the same attacker is not cut off", async (t) => {
  const pull = open(t, new Pull<number>({ gate: false }));
  const attacker = await attack(t, await pull.bind("tcp://127.0.0.1:*"));
  assert.equal(attacker.closed, false);
});

test("gate: unbind and close free the address at once", async (t) => {
  const first = open(t, new Pull<number>({ gate: true }));
  const address = await first.bind("tcp://127.0.0.1:*");
  await first.unbind(address);
  assert.equal(await first.bind(address), address);
  await first.close();
  const second = open(t, new Pull<number>({ gate: true }));
  assert.equal(await second.bind(address), address);
  const third = open(t, new Pull<number>({ gate: true }));
  await assert.rejects(third.bind(address), { code: "BROKERLESS_ADDRESS" });
});

test("gate: with CURVE it is a TypeError", () => {
  const keys = generateKeyPair();
  const security = { ...keys, allow: [] };
  assert.throws(() => new Pull({ gate: true, security }), /gate/);
});
