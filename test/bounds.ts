/**
 * `npm run bounds [-- PART...]`: the tests that measure how long a hostile peer may keep the event loop busy, how
 * long it may keep others waiting, and how much memory it and a long run may take. For an idle machine: one file at
 * a time, and with the negative controls that only a measurement can be.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answerHelp } from "../scripts/help.ts";

answerHelp(`usage: npm run bounds [-- PART...]

Measures how long a hostile peer may keep the event loop busy, how long it may keep others waiting, and how much
memory it and a long run may take. For an idle machine.

PART   only the test files whose path contains one of these`);
const root = fileURLToPath(new URL(".", import.meta.url));
const parts = process.argv.slice(2);
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => /^hostile\/.*\.(test|bounds)\.ts$|^bench\/soak\.test\.ts$/.test(name))
  .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
  .map((name) => join(root, name))
  .sort();

const env = { ...process.env, BROKERLESS_BOUNDS: "1" };
const args = ["--import", "tsx", "--test", "--test-concurrency=1", ...files];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
process.exit(status ?? 1);
