import assert from "node:assert/strict";
import { test } from "node:test";
import { measure, type Report } from "../../bench/measure.ts";
import { describeFaults, renderTable } from "../../bench/report.ts";
import { loadScenario, SCENARIO_NAMES, scenarioUrl } from "../../bench/scenarios.ts";

/** Enough to leave every queue's first fill, few enough for a test (count). */
const MESSAGES = 3_000;

for (const name of SCENARIO_NAMES) {
  test(`bench: ${name} counts every message of every system and compares with its baseline`, async () => {
    const scenario = await loadScenario(scenarioUrl(name));
    const { defaults, systems } = scenario;
    const subscribers = defaults.subscribers === null ? null : 3;
    const options = { ...defaults, subscribers, messages: MESSAGES, runs: 1 };
    const report = await measure({ scenario, url: scenarioUrl(name), options, systems }, () => {});
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

test("bench: a loss and a repetition are counted and said", async () => {
  const url = new URL("faulty-scenario.ts", import.meta.url).href;
  const scenario = await loadScenario(url);
  const { defaults, summary, systems } = scenario;
  const report = await measure({ scenario, url, options: defaults, systems }, () => {});
  const [faulty, sound] = report.systems;
  assert.equal(faulty?.lost, 10);
  assert.equal(faulty.duplicated, 10);
  assert.equal(sound?.lost, 0);
  assert.equal(sound.duplicated, 0);
  assert.deepEqual(describeFaults(report), ["LOSS: faulty lost 10 and duplicated 10 messages"]);
  assert.match(renderTable(report, summary), /^faulty .* LOST 10 /m);
});

test("bench: a program that throws fails the measurement with its reason", async () => {
  const url = new URL("failing-scenario.ts", import.meta.url).href;
  const scenario = await loadScenario(url);
  const { defaults, systems } = scenario;
  await assert.rejects(
    measure({ scenario, url, options: defaults, systems }, () => {}),
    /failing: Error: no luck today/,
  );
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
    assert.ok(min > 0 && min === median && median === max);
  }
}
