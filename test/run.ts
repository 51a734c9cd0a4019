/**
 * Runs the test files with Node's own runner: all but the long ones and the slow negative controls, or those whose path
 * contains an argument; but none whose path contains an argument after its "!". The end of its output names the slowest
 * files and the failed tests, which with BROKERLESS_SKIPS=refused are the skipped ones too.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answerHelp } from "../scripts/help.ts";
import { runFiles } from "./run-files.ts";

answerHelp(`usage: npm test [-- PART... [!PART...]]
       npm run test:long

Runs the test files with Node's own runner: all but the long ones, which npm run test:long runs, and the slow negative
controls, which npm run mutants runs. .ci/run runs all three.

PART    only those whose path contains one of these
!PART   none whose path contains this
With BROKERLESS_SKIPS=refused in the environment a test that is skipped has failed.`);

/** Files that start, kill or measure processes for minutes. */
const LONG = [
  "bench/measure",
  "crash/ext4",
  "crash/full-disk",
  "crash/kill.",
  "crash/kills",
  "crash/storm.",
  "examples/flights",
  "examples/work-queue",
  "hostile/modes",
  "hostile/gate",
  "sim/delivery.",
];
/** Each mutant compiles the library and runs a test of it again; each control of a storm plays one. */
const CONTROLS = ["mutants", "storm-controls"];

const root = fileURLToPath(new URL(".", import.meta.url));
const args = process.argv.slice(2);
const isLong = args.includes("--long");
const unwanted = args.filter((arg) => arg.startsWith("!")).map((arg) => arg.slice(1));
const wanted = isLong ? LONG : args.filter((arg) => !arg.startsWith("!"));
if (wanted.length === 0) unwanted.push(...LONG, ...CONTROLS);
// A part as wide as a folder does not mean its mutants.
else if (!wanted.some((part) => CONTROLS.some((name) => part.includes(name)))) {
  unwanted.push(...CONTROLS);
}
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .filter((name) => !unwanted.some((part) => name.includes(part)))
  .map((name) => join(root, name))
  .sort();

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(" ")}`);
  process.exit(1);
}

process.exitCode = runFiles(files);
