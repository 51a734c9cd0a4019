import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { compile } from "../support/compile.ts";
import { integerFrom } from "../support/env.ts";
import { Storm, watchdogMs } from "./storm.ts";
import { STORMS } from "./storm-kinds.ts";

/** Blows of each storm (count). */
const BLOWS = integerFrom("BROKERLESS_BLOWS", 5);
const SEED = integerFrom("BROKERLESS_SEED", Math.floor(Math.random() * 2 ** 31));

const place = mkdtempSync(join(tmpdir(), "brokerless-"));
after(() => rmSync(place, { recursive: true }));
const build = compile(join(place, "build"), [
  "crash/storm-sender.ts",
  "crash/storm-receiver.ts",
  "crash/storm-verifier.ts",
]);

for (const [name, { options, never }] of Object.entries(STORMS)) {
  const timeout = watchdogMs(BLOWS) * 2;
  test(`storm: ${name} (seed ${SEED})`, { timeout }, async (t) => {
    const { counts, examples } = await Storm.play(t, {
      ...options,
      seed: SEED,
      blows: BLOWS,
      build,
    });
    assert.ok(counts.confirmed > BLOWS * 10, "hardly anything was sent");
    for (const count of never) {
      assert.equal(counts[count], 0, `${count}: ${JSON.stringify({ counts, examples })}`);
    }
  });
}
