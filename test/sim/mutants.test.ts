import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { compile } from "../support/compile.ts";
import { MUTANTS, type Mutant } from "../support/journal-mutants.ts";

/** Only a hang reaches it (milliseconds). */
const WATCHDOG_MS = 40_000;
/** A hunt through this many states finds what it is here for (count). */
const CRASH_STATES = "800";

interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** Runs the tests of a compiled tree whose name contains a text. */
async function hunt(tree: string, [file, name]: Mutant["hunt"]): Promise<Verdict> {
  const pattern = name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // Newer versions of Node write another format by themselves.
  const args = [
    "--test-reporter=tap",
    `--test-name-pattern=${pattern}`,
    join(tree, "test", `${file}.test.js`),
  ];
  // Without it the runner thinks that it is a worker of this one, and answers in its own way.
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  const child = spawn(process.execPath, args, {
    env: { ...rest, BROKERLESS_CRASH_STATES: CRASH_STATES, BROKERLESS_TORTURE: "" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: WATCHDOG_MS,
  });
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  // One that hangs until it is killed has found something too.
  if (child.signalCode !== null)
    return { passed: 0, failed: 1, output: `${output}${errors}killed` };
  const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(output)?.[1]);
  return {
    passed: count("pass"),
    failed: count("fail") + count("cancelled"),
    output: output + errors,
  };
}

async function mutate(tree: string, edits: Mutant["edits"]): Promise<() => Promise<void>> {
  const originals = new Map<string, string>();
  for (const [file, from, to] of edits) {
    const path = join(tree, "lib", `${file}.js`);
    const source = await readFile(path, "utf8");
    if (!originals.has(path)) originals.set(path, source);
    assert.equal(source.split(from).length, 2, `${file} must contain this once: ${from}`);
    await writeFile(
      path,
      source.replace(from, () => to),
    );
  }
  return async () => {
    for (const [path, source] of originals) await writeFile(path, source);
  };
}

async function tree(t: TestContext): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(place, { recursive: true }));
  return compile(join(place, "build"), ["sim", "journal", "support/crash-worker.ts"]);
}

test("controls: with any one protection taken away, the hunt for what it prevents fails", async (t) => {
  const place = await tree(t);
  const known = new Set<string>();
  for (const { rule, name, edits, hunt: quarry } of MUTANTS) {
    await t.test(`${rule}: ${name}`, async () => {
      if (!known.has(quarry.join())) {
        known.add(quarry.join());
        const whole = await hunt(place, quarry);
        assert.ok(whole.passed >= 1 && whole.failed === 0, `as it is:\n${whole.output}`);
      }
      const restore = await mutate(place, edits);
      try {
        const { failed, output } = await hunt(place, quarry);
        assert.ok(failed >= 1, `nothing was found without it:\n${output}`);
        assert.doesNotMatch(output, /SyntaxError|ReferenceError/);
      } finally {
        await restore();
      }
    });
  }
});
