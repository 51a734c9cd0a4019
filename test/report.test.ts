import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RUN = `
  import { runFiles } from ${JSON.stringify(new URL("run-files.ts", import.meta.url).href)};
  process.exitCode = runFiles(process.argv.slice(1));
`;
const HEAD = `
  import { test } from "node:test";
  import assert from "node:assert/strict";
`;
const PASSES = `${HEAD} test("passes", () => {}); test("is left out", { skip: "not here" }, () => assert.fail());`;
const FAILS = `${HEAD}
  test("outer", async (t) => {
    await t.test("passes within", () => {});
    await t.test("inner", () => assert.equal("what came", "what was expected"));
  });
  for (let count = 0; count < 200; count += 1) test(\`passes \${count}\`, () => {});
`;
const DIES = `${HEAD} test("passes", () => {}); process.stderr.write("last words\\n", () => process.exit(7));`;
interface Ran {
  readonly status: number | null;
  readonly lines: readonly string[];
}

/** Runs files as `npm test` does. */
async function run(sources: Readonly<Record<string, string>>): Promise<Ran> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "brokerless-")));
  const files = Object.keys(sources).map((name) => join(folder, `${name}.test.mjs`));
  for (const [index, source] of Object.values(sources).entries())
    await writeFile(files[index]!, source);
  // Without it the runner thinks that it is a worker of this one, and answers in its own way.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--import", "tsx", "--input-type=module", "-e", RUN, ...files];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  await rm(folder, { recursive: true });
  return { status: child.exitCode, lines: output.trimEnd().split("\n") };
}

let failed: Ran;
before(async () => {
  failed = await run({ passes: PASSES, dies: DIES, fails: FAILS });
});

test("report: the end of the output names each failed test, its file, error and place", () => {
  const { status, lines } = failed;
  assert.equal(status, 1);
  assert.equal(lines.at(-3), "=== Failed tests: 2");
  assert.match(lines.at(-1)!, /fails\.test\.mjs > outer > inner$/);
  const end = lines.slice(-40).join("\n");
  assert.match(end, /^ {2}Expected values to be strictly equal:/m);
  assert.match(end, /^ {2}at .*fails\.test\.mjs:7:/m);
  assert.match(end, /^ {2}expected: what was expected$/m);
  assert.match(end, /^ {2}actual: {3}what came$/m);
});

test("report: a file that dies is named, with its last words", () => {
  const { lines } = failed;
  assert.match(lines.at(-2)!, /dies\.test\.mjs \(the file as a whole\)$/);
  const end = lines.slice(-40).join("\n");
  assert.match(end, /^ {2}exit code 7, signal none\n {2}last words$/m);
});

test("report: what the runner prints by itself comes first, and the slowest files after it", () => {
  const { lines } = failed;
  const summary = lines.findIndex((line) => /^# fail \d+$/.test(line));
  const slowest = lines.indexOf("=== The 3 files of 3 that took longest");
  assert.ok(summary > 0 && slowest > summary, lines.slice(-60).join("\n"));
  const named = lines
    .slice(slowest + 1, slowest + 4)
    .map((line) => /\w+(?=\.test)/.exec(line)?.[0]);
  assert.deepEqual(named.sort(), ["dies", "fails", "passes"]);
});

test("report: what was skipped is named, with the reason", () => {
  const { lines } = failed;
  const at = lines.indexOf("=== Skipped tests: 1");
  assert.match(lines[at + 1]!, /passes\.test\.mjs > is left out: not here$/);
});

test("report: control: where nothing fails, nothing is named", async () => {
  const { status, lines } = await run({ passes: PASSES });
  assert.equal(status, 0);
  assert.equal(lines.at(-1), "=== Failed tests: 0");
});
