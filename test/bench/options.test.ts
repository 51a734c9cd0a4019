import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chooseSystems, parseCommandLine, resolveBench, UsageError } from "../../bench/options.ts";
import { loadScenario, scenarioUrl } from "../../bench/scenarios.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const REFUSED = [
  { args: ["--scenario", "nope"], says: /unknown scenario "nope"; one of push-pull, / },
  { args: ["--system", "brokerless"], says: /--system needs --scenario/ },
  { args: ["--scenario"], says: /--scenario/ },
  { args: ["--scenario", "push-pull", "--fast"], says: /--fast/ },
  { args: ["--scenario", "push-pull", "extra"], says: /extra/ },
  { args: ["--scenario", "push-pull", "--messages", "1e3"], says: /--messages .* got "1e3"/ },
  { args: ["--scenario", "push-pull", "--messages", "0"], says: /--messages .* from 1 to / },
  { args: ["--scenario", "push-pull", "--size", "3"], says: /--size .* from 4 to / },
  { args: ["--scenario", "push-pull", "--runs=-1"], says: /--runs .* got "-1"/ },
  { args: ["--scenario", "pub-sub", "--subscribers", "501"], says: /--subscribers .* to 500/ },
] as const;

for (const { args, says } of REFUSED) {
  test(`bench options: ${args.join(" ") || "nothing"} is refused in one line`, () => {
    assert.throws(
      () => parseCommandLine(args),
      (error) =>
        error instanceof UsageError && says.test(error.message) && !error.message.includes("\n"),
    );
  });
}

test("bench options: what does not apply to a scenario stays out of its options", () => {
  const wished = parseCommandLine(["--scenario", "push-pull-object", "--size", "9", "--runs", "2"]);
  const defaults = { size: null, messages: 7, runs: 5, subscribers: null };
  assert.deepEqual(resolveBench(defaults, wished), { ...defaults, runs: 2 });
});

test("bench options: systems are chosen by name, and an unknown name is refused", async () => {
  const { systems } = await loadScenario(scenarioUrl("push-pull"));
  const choose = (...names: string[]) =>
    chooseSystems(
      systems,
      parseCommandLine(["--scenario", "push-pull", ...names.flatMap((name) => ["--system", name])]),
    );
  assert.deepEqual(choose(), systems);
  assert.deepEqual(
    choose("zeromq.js", "brokerless").map(({ name }) => name),
    ["brokerless", "zeromq.js"],
  );
  assert.throws(() => choose("kafka"), UsageError);
});

test("bench: a command line that cannot be followed ends with code 2 and one line", () => {
  const args = ["--import", "tsx", "bench/main.ts", "--scenario", "nope"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT });
  assert.equal(status, 2);
  assert.equal(stdout.toString(), "");
  assert.match(stderr.toString(), /^bench: unknown scenario "nope".*\n$/);
});
