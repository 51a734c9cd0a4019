import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What runs tests and reports of them. */
const RUNNER = ["run-files.ts", "report.ts", "reporter.mjs"] as const;
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
const WHOLE = `${HEAD} test("passes", () => {});`;
const SKIPS = `${HEAD}
  test("by itself", (t) => t.skip("no right"));
  test("outer", async (t) => {
    await t.test("within", { skip: "not now" }, () => {});
  });
  test.skip("mute", () => {});
`;
const DIES = `${HEAD} test("passes", () => {}); process.stderr.write("last words\\n", () => process.exit(7));`;
interface Ran {
  readonly status: number | null;
  readonly lines: readonly string[];
  /** What went to its standard error. */
  readonly errors: string;
}

interface RunOptions {
  /** The value of BROKERLESS_SKIPS; by default none. */
  readonly skips?: string;
  /** A file of the runner, and what to replace in it, by what: a protection that is taken away. */
  readonly edit?: readonly [file: (typeof RUNNER)[number], from: string, to: string];
}

/** Copies the runner with one change, to where it finds its packages. @returns its folder, as a URL */
async function copyRunner(
  folder: string,
  [edited, from, to]: NonNullable<RunOptions["edit"]>,
): Promise<URL> {
  const copy = join(folder, "runner");
  await mkdir(copy);
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  await writeFile(join(copy, "package.json"), '{ "type": "module" }');
  for (const name of RUNNER) {
    const source = await readFile(join(ROOT, "test", name), "utf8");
    if (name === edited) assert.equal(source.split(from).length, 2, `${name}: once: ${from}`);
    await writeFile(join(copy, name), name === edited ? source.replace(from, () => to) : source);
  }
  return pathToFileURL(`${copy}/`);
}

/** Runs files as `npm test` does. */
async function run(
  sources: Readonly<Record<string, string>>,
  { skips, edit }: RunOptions = {},
): Promise<Ran> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "brokerless-")));
  const runner = edit === undefined ? import.meta.url : await copyRunner(folder, edit);
  const program = `
    import { runFiles } from ${JSON.stringify(new URL("run-files.ts", runner).href)};
    process.exitCode = runFiles(process.argv.slice(1));
  `;
  const files = Object.keys(sources).map((name) => join(folder, `${name}.test.mjs`));
  for (const [index, source] of Object.values(sources).entries())
    await writeFile(files[index]!, source);
  // Without it the runner thinks that it is a worker of this one, and answers in its own way.
  const { NODE_TEST_CONTEXT: _, BROKERLESS_SKIPS: __, ...rest } = process.env;
  const env = skips === undefined ? rest : { ...rest, BROKERLESS_SKIPS: skips };
  const args = ["--import", "tsx", "--input-type=module", "-e", program, ...files];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  await rm(folder, { recursive: true });
  return { status: child.exitCode, lines: output.trimEnd().split("\n"), errors };
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

const REFUSED = { skips: "refused" };

/** What a run says whose only fault is the skipped test of `PASSES`. */
function assertRefused({ status, lines }: Ran): void {
  assert.equal(status, 1);
  assert.equal(lines.at(-2), "=== Failed tests: 1");
  assert.match(lines.at(-1)!, /passes\.test\.mjs > is left out \(skipped\)$/);
  const at = lines.indexOf("=== Failure 1");
  assert.match(lines[at + 1]!, /passes\.test\.mjs > is left out \(skipped\)$/);
  const says = "  skipped, which BROKERLESS_SKIPS=refused does not allow: not here";
  assert.equal(lines[at + 2], says);
}

test("report: where skips are refused, each skipped test is named as failed, with its reason", async () => {
  assertRefused(await run({ passes: PASSES }, REFUSED));
  const { status, lines } = await run({ ways: SKIPS }, REFUSED);
  assert.equal(status, 1);
  assert.equal(lines.at(-4), "=== Failed tests: 3");
  const named = lines.slice(-3).map((line) => /[^>]+$/.exec(line)![0].trim());
  assert.deepEqual(named, ["by itself (skipped)", "within (skipped)", "mute (skipped)"]);
  const reasons = lines.map((line) => / does not allow: (.+)$/.exec(line)?.[1]);
  assert.deepEqual(
    reasons.filter((reason) => reason !== undefined),
    ["no right", "not now", "no reason given"],
  );
});

test("report: where skips are refused and none is, and where they are allowed, the run passes", async () => {
  for (const [sources, skips] of [
    [{ whole: WHOLE }, "refused"],
    [{ passes: PASSES }, ""],
  ] as const) {
    const { status, lines } = await run(sources, { skips });
    assert.equal(status, 0);
    assert.equal(lines.at(-1), "=== Failed tests: 0");
  }
});

test("report: another word about skips is refused before anything runs", async () => {
  const { status, lines, errors } = await run({ whole: WHOLE }, { skips: "refuse" });
  assert.equal(status, 1);
  assert.deepEqual(lines, [""]);
  assert.match(errors, /^TypeError: BROKERLESS_SKIPS must be "refused" or absent, got "refuse"$/m);
});

for (const [claim, ...edit] of [
  ["does not look at the environment", "report.ts", 'return asked === "refused";', "return false;"],
  [
    "keeps what was skipped out of the failures",
    "report.ts",
    "if (!this.#refusesSkips)",
    "if (true)",
  ],
  ["ends with the status of Node's runner", "run-files.ts", " && told.endsWith(NONE_FAILED)", ""],
] as const) {
  test(`report: control: one that ${claim} does not refuse skips`, async () => {
    const ran = await run({ passes: PASSES }, { ...REFUSED, edit });
    assert.equal(ran.status, 0, ran.lines.join("\n"));
    assert.throws(() => assertRefused(ran), assert.AssertionError);
  });
}
