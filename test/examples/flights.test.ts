import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { run, start } from "./support/program.ts";
import { temporaryDirectory, temporaryFile } from "./support/temporary.ts";

const MAIN = "examples/flights/main.ts";
const DATA = join(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "../data");

/** What every run of the real flights ends in; computed once with another program (Python). */
function assertFlights(stdout: string): void {
  assert.match(stdout, /^0 to 499 {11}90,828 {17}7\.532$/m);
  assert.match(stdout, /^2,000 to 2,499 {6}6,567 {17}4\.951$/m);
  assert.match(stdout, /^all {15}200,000 {17}7\.501$/m);
  assert.match(stdout, /^200,000 records through 2 workers in [\d.]+ s: [\d,]+ records\/s$/m);
  assert.match(stdout, /^check: one process comes to the same result, in [\d.]+ s$/m);
}

test("flights: without journals the real ones come to what is known of them", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN, "--plain");
  assert.equal(code, 0, stderr);
  assertFlights(stdout);
  assert.doesNotMatch(stdout, /SIGKILL/);
});

test("flights: with a worker and the source killed in the middle they come to the same", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN);
  assert.equal(code, 0, stderr);
  assertFlights(stdout);
  assert.match(stdout, /^ +[\d.]+ s {2}SIGKILL for worker \d \(process \d+\), which had sent/m);
  assert.match(stdout, /^ +[\d.]+ s {2}worker \d is started again as process \d+/m);
  const [, stored] =
    stdout.match(/SIGKILL for source \(process \d+\), which had stored ([\d,]+)/) ?? [];
  assert.match(stdout, /^ +[\d.]+ s {2}source continues in the file after chunk \d+/m);
  // In the middle: neither before the first record nor behind the last.
  const records = Number(stored?.replaceAll(",", ""));
  assert.ok(records > 50_000 && records < 190_000, stdout);
  // A result came twice, so that counting it once is no accident.
  const [, killed, repeated] = stdout.match(/^killed: (.*); (\d+) results? came twice/m) ?? [];
  assert.match(killed!, /^(worker \d and source|source and worker \d)$/);
  assert.ok(Number(repeated) >= 1, stdout);
  // The journals were temporary.
  const [, directory] = stdout.match(/^journals in (.*)$/m) ?? [];
  assert.ok(!existsSync(directory!), `${directory} is still there`);
});

test("flights: one worker and five come to the same", { timeout: WATCHDOG_MS }, async (t) => {
  const path = join(DATA, "flights-2k.json");
  const tables: string[] = [];
  for (const workers of ["1", "5"]) {
    for (const mode of [[], ["--plain"]]) {
      const { code, stdout, stderr } = await run(t, MAIN, ...mode, "--workers", workers, path);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^check: one process comes to the same result/m);
      tables.push(stdout.slice(stdout.indexOf("field "), stdout.indexOf("\n\n")));
    }
  }
  assert.match(tables[0]!, /^delay {10}2,000 {2}number/m);
  for (const table of tables) assert.equal(table, tables[0]);
});

test("flights: a user's NDJSON file is shown by its shape", { timeout: WATCHDOG_MS }, async (t) => {
  const lines = [
    { id: 1, price: 0.1, tags: [], name: "a" },
    { id: 2, price: 0.2, name: "b" },
    { id: 3, price: 0.3, name: null },
  ];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const path = temporaryFile(t, "x.ndjson", text);
  const { code, stdout, stderr } = await run(t, MAIN, path);
  assert.equal(code, 0, stderr);
  const plain = await run(t, MAIN, "--plain", path);
  const table = [
    "field          count  types             min  max  mean  distinct",
    "-------------  -----  ----------------  ---  ---  ----  --------",
    "id                 3  number              1    3     2",
    "name               3  null 1, string 2                  a, b",
    "price              3  number            0.1  0.3   0.2",
    "tags               1  array",
    "(all records)      3",
  ];
  assert.ok(stdout.includes(`\n${table.join("\n")}\n\n`), stdout);
  assert.ok(plain.stdout.includes(`\n${table.join("\n")}\n\n`), plain.stdout);
  assert.match(stdout, /^3 records through 2 workers/m);
  assert.match(stdout, /^killed: /m);
});

test("flights: with journals a file without records is counted as empty", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN, temporaryFile(t, "empty.json", "[]"));
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^0 records through 2 workers/m);
  assert.match(stdout, /^killed: nobody; /m);
});

test("flights: with journals a pipe loses a worker, and is not read a second time", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const path = join(temporaryDirectory(t), "once.ndjson");
  execFileSync("mkfifo", [path]);
  const program = start(t, MAIN, path);
  const pipe = openSync(path, "r+");
  writeSync(pipe, '{"a":1}\n'.repeat(4_000));
  await program.wrote(/SIGKILL for worker/);
  closeSync(pipe);
  const { code, stdout, stderr } = await program.ended();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^4,000 records through 2 workers/m);
  assert.match(stdout, /^killed: worker \d; /m);
});

/** What a file holds, and the line it gives. */
const faults: readonly (readonly [name: string, content: string, line: string])[] = [
  ["comma.ndjson", '{"a":1}\n{"a":2,}\n', ":2:8 (byte 15): expected a key in quotes"],
  ["cut.json", '[{"a":1},\n {"a":2}', ":2:9 (byte 18): the file ends before the array does"],
];

for (const [name, content, line] of faults) {
  test(`flights: ${name} gives one line with the place`, { timeout: WATCHDOG_MS }, async (t) => {
    const path = temporaryFile(t, name, content);
    for (const mode of [[], ["--plain"]]) {
      const { code, stderr } = await run(t, MAIN, ...mode, path);
      assert.equal(withoutProgress(stderr), `${path}${line}\n`);
      assert.equal(code, 1);
    }
  });
}

test("flights: a fault behind thousands of good records is found", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const path = temporaryFile(t, "late.ndjson", `${'{"a":1}\n'.repeat(50_000)}{"a":}\n`);
  for (const mode of [[], ["--plain"]]) {
    const { code, stderr } = await run(t, MAIN, ...mode, path);
    assert.equal(withoutProgress(stderr), `${path}:50001:6 (byte 400005): expected a JSON value\n`);
    assert.equal(code, 1);
  }
});

test("flights: a missing file gives one line", { timeout: WATCHDOG_MS }, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN, "/nowhere/x.json");
  assert.equal(stderr, "/nowhere/x.json: cannot be read: there is no such file\n");
  assert.equal(stdout, "");
  assert.equal(code, 1);
});

test("flights: wrong arguments give one line, and help is given", async (t) => {
  const wrong = await run(t, MAIN, "--workers", "0");
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^--workers must be a whole number from 1 to 64, got "0" .*\n$/);
  const help = await run(t, MAIN, "--help");
  assert.equal(help.code, 0);
  assert.match(help.stdout, /^usage: npm start/);
});

test("flights: without journals a killed worker fails the whole, at once", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const program = start(t, MAIN, "--plain", endlessFile(t));
  const pids = await processesOf(program);
  await program.wrote(/ [1-9]\d* records done/);
  process.kill(pids.get("worker 1")!, "SIGKILL");

  const { code, stderr } = await program.ended();
  assert.equal(
    withoutProgress(stderr),
    `worker 1 (process ${pids.get("worker 1")}) was killed by SIGKILL; ` +
      "the records it held are lost, so there is no result\n",
  );
  assert.equal(code, 1);
});

test("flights: when nothing moves any more it gives up", { timeout: WATCHDOG_MS }, async (t) => {
  const { code, stderr } = await run(t, MAIN, "--plain", "--patience", "2", endlessFile(t));
  assert.match(withoutProgress(stderr), /^nothing has moved for 2 s, after \d+ records done.*\n$/);
  assert.equal(code, 1);
});

for (const mode of [[], ["--plain"]]) {
  test(`flights: no process outlives the main one ${mode}`, { timeout: WATCHDOG_MS }, async (t) => {
    const program = start(t, MAIN, ...mode, endlessFile(t));
    await program.wrote(/ [1-9]\d* records done/);
    program.child.kill("SIGKILL");
    // They share its outputs, which are closed only when the last of them is gone.
    await program.ended();
  });
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`flights: ended by ${signal}, it takes its processes and its journals with it`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const program = start(t, MAIN, endlessFile(t));
    await program.wrote(/ [1-9]\d* records done/);
    const [, directory] = await program.wrote(/^journals in (.*)$/m);
    program.child.kill(signal);
    assert.equal((await program.ended()).code, status);
    assert.ok(!existsSync(directory!), `${directory} is still there`);
  });
}

/** A pipe that holds 400 records and never ends: what reads it is always in the middle. */
function endlessFile(t: TestContext): string {
  const path = join(temporaryDirectory(t), "endless.ndjson");
  execFileSync("mkfifo", [path]);
  // Open both ways, so that opening waits for nobody.
  const pipe = openSync(path, "r+");
  t.after(() => closeSync(pipe));
  writeSync(pipe, '{"a":1}\n'.repeat(400));
  return path;
}

async function processesOf(program: ReturnType<typeof start>): Promise<Map<string, number>> {
  const [, list] = await program.wrote(/processes (source.*sink \d+)/);
  const pairs = [...list!.matchAll(/(source|worker \d+|sink) (\d+)/g)];
  assert.equal(pairs.length, 4);
  return new Map(pairs.map(([, title, pid]) => [title!, Number(pid)]));
}

function withoutProgress(stderr: string): string {
  return stderr.replace(/^ {2}.*records\/s\n/gm, "");
}
