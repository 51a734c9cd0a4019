import assert from "node:assert/strict";
import { test } from "node:test";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { run } from "./support/program.ts";

/** The examples that are one file each, and all that they print. */
const programs: Readonly<Record<string, readonly string[]>> = {
  "pub-sub": [
    "trade IBM: 100 at 231.5",
    "trade KO: 100 at 68.25",
    "quotes.nyse.IBM: 231.25 to 231.75",
    "quotes.nyse.KO: 68 to 68.5",
  ],
  "request-reply": [
    "12 divided by 1, 2, 3, 4 is 12, 6, 4, 3",
    "the replier says: RangeError: cannot divide by zero",
    "gave up: BROKERLESS_TIMEOUT",
    "and still 9 / 3 is 3",
  ],
  "worker-threads": ["200 ranges, 17984 primes below 200000"],
};

for (const [name, lines] of Object.entries(programs)) {
  test(`examples: ${name} prints what it should and ends`, { timeout: WATCHDOG_MS }, async (t) => {
    const { code, signal, stdout, stderr } = await run(t, `examples/${name}.ts`);
    assert.equal(stderr, "");
    assert.equal(stdout, lines.map((line) => `${line}\n`).join(""));
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
  });
}
