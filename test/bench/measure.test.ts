import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { measure, type Report } from "../../bench/measure.ts";
import { compileProgram, type Program, sourceProgram } from "../../bench/program.ts";
import { describeFaults, renderTable } from "../../bench/report.ts";
import type { System } from "../../bench/scenario.ts";
import { loadScenario, SCENARIO_NAMES, scenarioUrl } from "../../bench/scenarios.ts";

/** Enough to leave every queue's first fill, few enough for a test (count). */
const MESSAGES = 3_000;
/** Those that wait for a disk, or for an answer, before the next message. */
const MESSAGES_SLOW: Readonly<Record<string, number>> = {
  "reliable-latency": 200,
  "work-queue": 300,
};
/** More are a grid (count). */
const SYSTEMS_MAX = 8;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Compiled once for all: with tsx a process computes more before its measurement than in it, and each system starts some. */
let compiled: Program;
before(() => {
  compiled = compileProgram("push-pull");
});

for (const name of SCENARIO_NAMES) {
  test(`bench: ${name} counts every message of every system and compares with its baseline`, async () => {
    const scenario = await loadScenario(scenarioUrl(name));
    const { defaults } = scenario;
    const systems =
      scenario.systems.length > SYSTEMS_MAX ? corners(scenario.systems) : scenario.systems;
    const program = { ...compiled, scenario: new URL(`${name}.js`, compiled.scenario).href };
    const subscribers = defaults.subscribers === null ? null : 3;
    // Where each message is a sync of the disk, fewer will do.
    const messages = MESSAGES_SLOW[name] ?? Math.min(MESSAGES, Math.ceil(defaults.messages / 20));
    const options = { ...defaults, subscribers, messages, runs: 1 };
    const report = await measure({ scenario, program, options, systems }, () => {});
    assert.deepEqual(report.options, options);
    assert.deepEqual(
      report.systems.map((system) => system.name),
      systems.map((system) => system.name),
    );
    for (const system of report.systems) assertSound(system);
    for (const { name: compared, baseline } of systems) {
      if (baseline === null) continue;
      assert.ok(systems.some((system) => system.name === baseline && system.baseline === null));
      assert.equal(report.ratios[compared]?.baseline, baseline);
      assert.ok(report.ratios[compared].median > 0);
    }
  });
}

/** Of a grid of figures for one program: its ends, and what they are compared with. */
function corners(systems: readonly System[]): System[] {
  const ends = [systems[0]!, systems.at(-1)!];
  const names = new Set(ends.flatMap(({ name, baseline }) => [name, baseline]));
  return systems.filter(({ name }) => names.has(name));
}

test("bench: a loss and a repetition are counted and said", async () => {
  const url = new URL("faulty-scenario.ts", import.meta.url).href;
  const scenario = await loadScenario(url);
  const { defaults, systems } = scenario;
  const program = sourceProgram(url);
  const report = await measure({ scenario, program, options: defaults, systems }, () => {});
  const [faulty, sound] = report.systems;
  assert.equal(faulty?.lost, 10);
  assert.equal(faulty.duplicated, 10);
  assert.equal(sound?.lost, 0);
  assert.equal(sound.duplicated, 0);
  assert.deepEqual(describeFaults(report), ["LOSS: faulty lost 10 and duplicated 10 messages"]);
  assert.match(renderTable(report, scenario), /^faulty .* LOST 10 /m);
});

test("bench: a program that throws fails the measurement with its reason", async () => {
  const url = new URL("failing-scenario.ts", import.meta.url).href;
  const scenario = await loadScenario(url);
  const { defaults, systems } = scenario;
  const program = sourceProgram(url);
  await assert.rejects(
    measure({ scenario, program, options: defaults, systems }, () => {}),
    /failing: Error: no luck today/,
  );
});

test("bench: the command compiles what it measures, and prints one object", () => {
  const args = "--scenario request-reply --messages 100 --runs 2 --size 8 --json".split(" ");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "tsx", "bench/main.ts", ...args],
    { cwd: ROOT, encoding: "utf8" },
  );
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const report = JSON.parse(stdout) as Report;
  assert.deepEqual(Object.keys(report), ["scenario", "options", "machine", "systems", "ratios"]);
  assert.deepEqual(report.options, { size: 8, messages: 100, runs: 2, subscribers: null });
  for (const system of report.systems) assertSound(system);
});

function assertSound(system: Report["systems"][number]): void {
  assert.equal(system.lost, 0, `${system.name} lost messages`);
  assert.equal(system.duplicated, 0, `${system.name} duplicated messages`);
  assert.ok(system.cpuSeconds > 0 && system.rssMiB > 0);
  if (system.latencyMicros !== undefined) {
    const { p50, p90, p99, p999, max } = system.latencyMicros;
    const ascending = [0.1, p50, p90, p99, p999, max];
    assert.deepEqual(
      ascending.toSorted((a, b) => a - b),
      ascending,
    );
  } else {
    const { min, median, max } = system.messagesPerSecond!;
    assert.ok(min > 0 && min <= median && median <= max);
  }
}
