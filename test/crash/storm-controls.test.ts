import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { compile } from "../support/compile.ts";
import { integerFrom } from "../support/env.ts";
import { Storm, watchdogMs } from "./storm.ts";
import { CONTROLS } from "./storm-kinds.ts";

/** Blows of each storm: with its protection taken away, few show the loss (count). */
const BLOWS = 6;
const SEED = integerFrom("BROKERLESS_SEED", Math.floor(Math.random() * 2 ** 31));

const place = mkdtempSync(join(tmpdir(), "brokerless-"));
after(() => rmSync(place, { recursive: true }));
const build = compile(join(place, "build"), [
  "crash/storm-sender.ts",
  "crash/storm-receiver.ts",
  "crash/storm-verifier.ts",
]);

for (const [name, { options, seen }] of Object.entries(CONTROLS)) {
  const timeout = watchdogMs(BLOWS) * 2;
  test(`storm, negative control: ${name} (seed ${SEED})`, { timeout }, async (t) => {
    const { counts } = await Storm.play(t, { ...options, seed: SEED, blows: BLOWS, build });
    assert.ok(counts[seen] > 0, `the verifier saw nothing: ${JSON.stringify(counts)}`);
  });
}
