import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { integerFrom } from "../support/env.ts";
import { eventually } from "../support/eventually.ts";
import { Random } from "../support/random.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { World } from "../support/world.ts";

const KILLS = 6;

/** What the processes of a run did, seen from outside. */
interface Verdict {
  /** The last value that was confirmed as stored. */
  readonly stored: number;
  /** Effects in order of their happening. */
  readonly effects: readonly number[];
}

class Program {
  readonly #t: TestContext;
  readonly #file: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  stored = 0;

  constructor(t: TestContext, file: string, args: readonly string[]) {
    this.#t = t;
    this.#file = fileURLToPath(new URL(file, import.meta.url));
    this.#args = args;
    t.after(() => this.kill());
  }

  async start(): Promise<void> {
    const args = ["--import", "tsx", this.#file, ...this.#args];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stderr!.on("data", (bytes: Buffer) => this.#t.diagnostic(String(bytes).trim()));
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${this.#file} ended early: ${code}`)));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const [word, number] = line.split(" ");
        if (word === "start") resolve();
        else this.stored = Number(number);
      });
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    await new Promise((resolve) => {
      child.removeAllListeners("exit");
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }
}

function readEffects(file: string): number[] {
  const lines = readFileSync(file, "utf8").split("\n");
  lines.pop();
  return lines.map((line) => Number.parseInt(line, 10));
}

/** Kills one or both at random, starts them again, and waits until all that was stored has had its effect. */
async function play(
  t: TestContext,
  options: { readonly seed: number; readonly inbox: boolean; readonly whom: string },
): Promise<Verdict> {
  const world = new World(t);
  const random = new Random(options.seed);
  const directory = world.directory();
  const address = `ipc://${join(directory, "socket")}`;
  const effects = join(directory, "effects");
  const inbox = options.inbox ? world.directory() : "";
  const sender = new Program(t, "sender.ts", [world.directory(), address, "{}"]);
  const receiver = new Program(t, "receiver.ts", [inbox, address, effects]);
  await Promise.all([sender.start(), receiver.start()]);
  for (let kill = 0; kill < KILLS; kill++) {
    // A random moment of the work is what is tested, not a time to wait for something.
    await delay(50 + random.below(400));
    const victim = options.whom === "sender" ? sender : receiver;
    await victim.kill();
    await victim.start();
  }
  const stored = await eventually(() => {
    assert.ok(sender.stored > 200, `only ${sender.stored} were stored`);
    return sender.stored;
  });
  await eventually(() => {
    const happened = new Set(readEffects(effects)).size;
    assert.ok(happened >= stored, `${happened} of ${stored} had their effect`);
  });
  await sender.kill();
  return { stored, effects: readEffects(effects) };
}

function check(verdict: Verdict): {
  readonly lost: number;
  readonly duplicates: number;
  readonly disordered: number;
} {
  const seen = new Set<number>();
  let duplicates = 0;
  let disordered = 0;
  let highest = 0;
  for (const value of verdict.effects) {
    if (seen.has(value)) duplicates += 1;
    else if (value < highest) disordered += 1;
    highest = Math.max(highest, value);
    seen.add(value);
  }
  let lost = 0;
  for (let value = 1; value <= verdict.stored; value++) if (!seen.has(value)) lost += 1;
  return { lost, duplicates, disordered };
}

const seed = integerFrom("SEED", Math.floor(Math.random() * 2 ** 31));

test(`crash: a sender killed again and again loses nothing that was stored (seed ${seed})`, {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const verdict = await play(t, { seed, inbox: false, whom: "sender" });
  assert.deepEqual(check(verdict), { lost: 0, duplicates: 0, disordered: 0 });
});

test(`crash: a receiver killed again and again gets everything, and repeats at most the messages in flight (seed ${seed})`, {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const verdict = await play(t, { seed, inbox: true, whom: "receiver" });
  const { lost, duplicates } = check(verdict);
  assert.equal(lost, 0);
  // The effect is a line in a file, and not stored together with the inbox: what was in between comes again.
  assert.ok(duplicates <= KILLS * 200, `${duplicates} duplicates`);
});
