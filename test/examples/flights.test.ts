import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { run, start } from "./support/program.ts";
import { temporaryDirectory, temporaryFile } from "./support/temporary.ts";

const MAIN = "examples/flights/main.ts";
const DATA = join(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "../data");

test("flights: the real ones come to what is known of them", { timeout: 60_000 }, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN);
  assert.equal(code, 0, stderr);
  // Computed once with another program (Python).
  assert.match(stdout, /^0 to 499 {11}90,828 {17}7\.532$/m);
  assert.match(stdout, /^2,000 to 2,499 {6}6,567 {17}4\.951$/m);
  assert.match(stdout, /^all {15}200,000 {17}7\.501$/m);
  assert.match(stdout, /^200,000 records through 2 workers in [\d.]+ s: [\d,]+ records\/s$/m);
  assert.match(stdout, /^check: one process comes to the same result, in [\d.]+ s$/m);
});

test("flights: one worker and five come to the same", { timeout: 60_000 }, async (t) => {
  const path = join(DATA, "flights-2k.json");
  const tables: string[] = [];
  for (const workers of ["1", "5"]) {
    const { code, stdout, stderr } = await run(t, MAIN, "--workers", workers, path);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^check: one process comes to the same result/m);
    tables.push(stdout.slice(stdout.indexOf("field"), stdout.indexOf("\n\n")));
  }
  assert.match(tables[0]!, /^delay {10}2,000 {2}number/m);
  assert.equal(tables[0], tables[1]);
});

test("flights: a user's NDJSON file is shown by its shape", { timeout: 60_000 }, async (t) => {
  const lines = [
    { id: 1, price: 0.1, tags: [], name: "a" },
    { id: 2, price: 0.2, name: "b" },
    { id: 3, price: 0.3, name: null },
  ];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  const { code, stdout, stderr } = await run(t, MAIN, temporaryFile(t, "x.ndjson", text));
  assert.equal(code, 0, stderr);
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
  assert.match(stdout, /^3 records through 2 workers/m);
});

/** What a file holds, and the line it gives. */
const faults: readonly (readonly [name: string, content: string, line: string])[] = [
  ["comma.ndjson", '{"a":1}\n{"a":2,}\n', ":2:8 (byte 15): expected a key in quotes"],
  ["cut.json", '[{"a":1},\n {"a":2}', ":2:9 (byte 18): the file ends before the array does"],
];

for (const [name, content, line] of faults) {
  test(`flights: ${name} gives one line with the place`, { timeout: 60_000 }, async (t) => {
    const path = temporaryFile(t, name, content);
    const { code, stderr } = await run(t, MAIN, path);
    assert.equal(stderr, `${path}${line}\n`);
    assert.equal(code, 1);
  });
}

test("flights: a fault behind thousands of good records is found", {
  timeout: 60_000,
}, async (t) => {
  const path = temporaryFile(t, "late.ndjson", `${'{"a":1}\n'.repeat(50_000)}{"a":}\n`);
  const { code, stderr } = await run(t, MAIN, path);
  assert.equal(withoutProgress(stderr), `${path}:50001:6 (byte 400005): expected a value\n`);
  assert.equal(code, 1);
});

test("flights: a missing file gives one line", { timeout: 60_000 }, async (t) => {
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

test("flights: a killed worker fails the whole, at once", { timeout: 60_000 }, async (t) => {
  const program = start(t, MAIN, endlessFile(t));
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

test("flights: when nothing moves any more it gives up", { timeout: 60_000 }, async (t) => {
  const { code, stderr } = await run(t, MAIN, "--patience", "2", endlessFile(t));
  assert.match(withoutProgress(stderr), /^nothing has moved for 2 s, after 400 records done.*\n$/);
  assert.equal(code, 1);
});

test("flights: no process outlives the main one", { timeout: 60_000 }, async (t) => {
  const program = start(t, MAIN, endlessFile(t));
  await program.wrote(/ [1-9]\d* records done/);
  program.child.kill("SIGKILL");
  // They share its outputs, which are closed only when the last of them is gone.
  await program.ended();
});

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
