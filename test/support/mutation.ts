import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { compile } from "./compile.ts";
import { WATCHDOG_MS } from "./watchdog.ts";

/** One protection, taken away from the compiled library. */
export interface Mutant {
  /** The rule that the protection keeps, or the record that asks for it. */
  readonly rule: string;
  readonly name: string;
  /** File of the library, then what to replace in it, and by what; each stands there once. */
  readonly edits: readonly (readonly [file: string, from: string, to: string])[];
  /** The test that must fail then: its file, and a part of its name. */
  readonly hunt: readonly [file: string, name: string];
}

/** A mutant that hangs for so long has been found out: the last resort, of which the output tells (milliseconds). */
const MUTANT_MS_MAX = 40_000;
/** Hunts at a time in one call: some compute, most wait (count). */
const HUNTS_AT_ONCE = 3;
/** A hunt through this many states finds what it is here for (count). */
const CRASH_STATES = "800";
/** A test that failed, with all that is said of it. */
const BREACH = /^ *not ok [\s\S]*?^ *\.\.\.$/m;

interface Verdict {
  readonly failed: number;
  readonly output: string;
  /** It was ended at its limit. */
  readonly isHung: boolean;
}

/**
 * Runs the tests of a file of a compiled tree whose name contains one of some texts, until one has failed: what a mutant
 * does afterwards is of no interest, and may be to wait for ever.
 *
 * @param timeout ends it (milliseconds)
 */
async function hunt(
  tree: string,
  [file, ...names]: readonly [file: string, ...names: string[]],
  timeout: number,
): Promise<Verdict> {
  const patterns = names.map((name) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  // Newer versions of Node write another format by themselves.
  const args = [
    "--test-reporter=tap",
    ...patterns.map((pattern) => `--test-name-pattern=${pattern}`),
    join(tree, "test", `${file}.test.js`),
  ];
  // With the first the runner thinks that it is a worker of this one, and answers in its own way. A hunt has a rule of
  // its own for skips, below: a test that is skipped has not passed.
  const { NODE_TEST_CONTEXT: _, BROKERLESS_SKIPS: __, ...rest } = process.env;
  const child = spawn(process.execPath, args, {
    env: { ...rest, BROKERLESS_CRASH_STATES: CRASH_STATES, BROKERLESS_TORTURE: "" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
  let output = "";
  let isFound = false;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    output += piece;
    if (isFound || !BREACH.test(output)) return;
    isFound = true;
    child.kill("SIGKILL");
  });
  const [errors] = await Promise.all([text(child.stderr), once(child, "close")]);
  const isHung = !isFound && child.signalCode === "SIGKILL";
  output += errors;
  if (isFound || isHung) return { failed: 1, output, isHung };
  const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(output)?.[1]);
  // Without these lines it has ended in the middle of a test.
  const isWhole = child.signalCode === null && /^# fail \d+$/m.test(output);
  return { failed: isWhole ? count("fail") + count("cancelled") : 1, output, isHung };
}

/** Whether a test whose name contains this has passed, which one that was skipped has not. */
function hasPassed(output: string, name: string): boolean {
  const escaped = name.replaceAll(/[\\#]/g, "\\$&");
  return output
    .split("\n")
    .some((line) => /^ *ok /.test(line) && line.includes(escaped) && !line.includes(" # SKIP"));
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

/** A compiled tree as it is, and copies of it in which mutants live one after another. */
class Trees {
  readonly #whole: string;
  readonly #mutants: readonly Mutant[];
  readonly #idle: string[] = [];
  readonly #hunts = new Map<string, Promise<Verdict>>();
  #copies = 0;

  constructor(whole: string, mutants: readonly Mutant[]) {
    this.#whole = whole;
    this.#mutants = mutants;
  }

  /** Hunts in a file without any mutant: for all that are hunted there in one process, whoever asks first. */
  hunt(file: string): Promise<Verdict> {
    const names = this.#mutants.filter(({ hunt }) => hunt[0] === file).map(({ hunt }) => hunt[1]);
    const known =
      this.#hunts.get(file) ?? hunt(this.#whole, [file, ...new Set(names)], WATCHDOG_MS);
    this.#hunts.set(file, known);
    return known;
  }

  async huntMutant({ edits, hunt: quarry }: Mutant): Promise<Verdict> {
    const tree = this.#idle.pop() ?? (await this.#copy());
    const restore = await mutate(tree, edits);
    try {
      return await hunt(tree, quarry, MUTANT_MS_MAX);
    } finally {
      await restore();
      this.#idle.push(tree);
    }
  }

  async #copy(): Promise<string> {
    this.#copies += 1;
    const tree = `${this.#whole}-${this.#copies}`;
    await cp(this.#whole, tree, { recursive: true, verbatimSymlinks: true });
    return tree;
  }
}

/**
 * Declares a test which shows for each protection that its test fails without it, and passes with it.
 *
 * @param tests folders or files below test/ that have these tests
 */
export function assertHunted(
  claim: string,
  mutants: readonly Mutant[],
  tests: readonly string[],
): void {
  test(claim, { concurrency: HUNTS_AT_ONCE }, async (t) => {
    const home = await mkdtemp(join(tmpdir(), "brokerless-"));
    t.after(() => rm(home, { recursive: true }));
    const trees = new Trees(compile(join(home, "build"), tests), mutants);
    const shown = mutants.map((mutant) =>
      t.test(`${mutant.rule}: ${mutant.name}`, async (t) => {
        const [file, name] = mutant.hunt;
        const whole = await trees.hunt(file);
        assert.equal(whole.failed, 0, `as it is:\n${whole.output}`);
        assert.ok(hasPassed(whole.output, name), `no test has passed: ${name}\n${whole.output}`);
        const { failed, output, isHung } = await trees.huntMutant(mutant);
        if (isHung) t.diagnostic(`ended at ${MUTANT_MS_MAX} ms, and not by what its test saw`);
        assert.ok(failed >= 1, `nothing was found without it:\n${output}`);
        assert.doesNotMatch(output, /SyntaxError|ReferenceError/);
      }),
    );
    await Promise.all(shown);
  });
}
