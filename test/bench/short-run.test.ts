import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ratio, Report } from "../../bench/measure.ts";
import { loadScenario, scenarioUrl } from "../../bench/scenarios.ts";
import { judge, SHORT_SCENARIOS } from "../../bench/short-run.ts";

const NOTHING = { min: 1, median: 1, max: 1 };

function report(median: number, of: Ratio["of"], faults: { lost?: number } = {}): Report {
  const system = { lost: 0, duplicated: 0, cpuSeconds: 1, rssMiB: 1 };
  return {
    scenario: "push-pull",
    systems: [
      { name: "zeromq.js", ...system },
      { name: "brokerless", ...system, ...faults },
    ],
    ratios: { brokerless: { ...NOTHING, median, baseline: "zeromq.js", of } },
  } as unknown as Report;
}

test("short run: the verdict is one line with a figure for each scenario", () => {
  const { ok, text } = judge([report(6.5, "messagesPerSecond"), report(1.2, "latencyMicros.p50")]);
  assert.ok(ok, text);
  assert.match(text, /^verdict: ok: .*6\.50 times the rate, .*1\.20 times the latency$/);
});

test("short run: control: a loss, and a rate below zeromq.js, fail it", () => {
  for (const bad of [
    report(6.5, "messagesPerSecond", { lost: 3 }),
    report(0.9, "messagesPerSecond"),
  ]) {
    const { ok, text } = judge([report(2, "messagesPerSecond"), bad]);
    assert.equal(ok, false);
    assert.match(text, /^verdict: FAILED: .*(lost 3|slower than zeromq\.js)[^\n]*$/);
  }
});

test("short run: its scenarios and systems are there, and each has something to compare", async () => {
  for (const { scenario, systems } of SHORT_SCENARIOS) {
    const { systems: all } = await loadScenario(scenarioUrl(scenario));
    const names = systems ?? all.map(({ name }) => name);
    const chosen = all.filter(({ name }) => names.includes(name));
    assert.equal(chosen.length, names.length, scenario);
    const compared = chosen.filter(({ baseline }) => baseline !== null);
    assert.ok(compared.length > 0, `${scenario} compares nothing`);
    for (const { baseline } of compared) assert.ok(names.includes(baseline!), baseline!);
  }
});
