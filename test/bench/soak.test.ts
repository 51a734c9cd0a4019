import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { churn } from "../../bench/soak/churn.ts";
import { flatMemory } from "../../bench/soak/flat-memory.ts";
import { stalledReceiver } from "../../bench/soak/stalled-receiver.ts";
import { assertWithin } from "../support/bounds.ts";

/** The short versions of `npm run soak`. In this order: freed memory would hide the growth of the first. */
const skip = existsSync("/proc/self/fd") ? false : "needs /proc";

test("soak: a sender whose receiver stalls stays within its bound and a fifth", async () => {
  const boundMiB = 128;
  const { accepted, queuedMiB, growthMiB } = await stalledReceiver({ boundMiB });
  assert.ok(accepted * 100 >= boundMiB * 2 ** 20 * 0.9, `only ${accepted} messages taken`);
  assert.ok(queuedMiB <= boundMiB * 1.01, `${queuedMiB} MiB queued`);
  assertWithin({ growthMiB }, { growthMiB: boundMiB * 1.2 });
});

for (const each of ["socket", "connection"] as const) {
  test(`soak: 200 connects and disconnects leave no descriptor open, ${each} each`, {
    skip,
  }, async () => {
    const { filesLeft, growthMiB, received } = await churn({ cycles: 200, each });
    assert.equal(received, 200);
    assert.ok(filesLeft <= 0, `${filesLeft} descriptors left open`);
    assertWithin({ growthMiB }, { growthMiB: 16 });
  });
}

test("soak: 500,000 messages through PUSH/PULL all arrive, in order, and leave memory flat", async () => {
  const { received, rssMiB, growthMiB } = await flatMemory({ messages: 500_000 });
  assert.equal(received, 500_000);
  assert.equal(rssMiB.length, 100);
  assertWithin({ growthMiB }, { growthMiB: 32 }, "the last half:");
});
