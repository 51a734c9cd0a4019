import assert from "node:assert/strict";
import { test } from "node:test";
import { runBacklog } from "../../bench/backlog/course.ts";
import { runDrains } from "../../bench/backlog/drains.ts";

test("backlog: what piled up without a receiver survives kill -9 and drains, each message once", async () => {
  const result = await runBacklog({ messages: 20_000, live: 5_000 });
  const { rssMiB, openMs, restartMs } = result;
  assert.deepEqual([result.lost, result.duplicated, result.left], [0, 0, 0]);
  assert.equal(rssMiB.length, 100);
  assert.ok(openMs > 0 && openMs < restartMs, `open ${openMs} ms, first message ${restartMs} ms`);
  for (const name of ["fillPerSecond", "drainPerSecond", "livePerSecond"] as const) {
    assert.ok(result[name] > 0, `${name} is ${result[name]}`);
  }
});

test("backlog: what a sender leaves that is closed in order drains whichever side listens", async () => {
  const rates = await runDrains([5_000]);
  assert.deepEqual(
    rates.map(({ listener, lost }) => `${listener} ${lost}`),
    ["sender 0", "receiver 0"],
  );
  assert.ok(rates.every(({ perSecond }) => perSecond > 0));
});
