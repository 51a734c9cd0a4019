import assert from "node:assert/strict";
import { test } from "node:test";
import { runCrowd } from "../../bench/crowd/course.ts";

for (const [senders, receivers] of [
  [1, 40],
  [40, 1],
] as const) {
  test(`crowd: ${senders} to ${receivers}, every message comes once and every receiver gets some`, async () => {
    const result = await runCrowd({ senders, receivers, messages: 20_000 });
    assert.deepEqual([result.lost, result.duplicated], [0, 0]);
    assert.ok(result.fewest > 0, "a receiver got nothing");
    assert.ok(result.cpuMicros > 0, `${result.cpuMicros} us per message`);
  });
}
