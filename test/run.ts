/**
 * Runs the test files with Node's own runner: all but the slow negative controls (`npm run mutants`), or those whose path
 * contains an argument; but none whose path contains an argument after its "!". The end of its output names the slowest
 * files and the failed tests.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answerHelp } from "../scripts/help.ts";
import { runFiles } from "./run-files.ts";

answerHelp(`usage: npm test [-- PART... [!PART...]]

Runs the test files with Node's own runner: all but the slow negative controls, which npm run mutants runs.

PART    only those whose path contains one of these
!PART   none whose path contains this`);
const root = fileURLToPath(new URL(".", import.meta.url));
const wanted = process.argv.slice(2).filter((part) => !part.startsWith("!"));
const unwanted = process.argv.filter((part) => part.startsWith("!")).map((part) => part.slice(1));
// Each mutant compiles the library and runs a test of it again, each control of a storm plays one: minutes, of which nobody
// learns anything while developing.
for (const slow of ["mutants", "storm-controls"]) {
  if (!wanted.some((part) => part.includes(slow))) unwanted.push(slow);
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
