import assert from "node:assert/strict";
import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { run, startWith } from "./support/program.ts";
import { temporaryDirectory } from "./support/temporary.ts";

const MAIN = "examples/work-queue/main.ts";

test("work queue example: a worker told to end finishes what it has, and every file is hashed", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const { code, stdout, stderr } = await run(t, MAIN);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  const [, count] = stdout.match(/^(\d+) files added$/m) ?? [];
  assert.ok(Number(count) > 50, stdout);
  assert.match(stdout, new RegExp(`^${count} jobs finished, 0 of them dead$`, "m"));
  assert.match(stdout, new RegExp(`^check: one process finds the same ${count} hashes$`, "m"));
  const ends = [
    ...stdout.matchAll(/^worker \d+: told to end with \d+ jobs in hand, left 0 unfinished$/gm),
  ];
  assert.equal(ends.length, 3, stdout);
});

test("work queue example: a folder of one's own is hashed", { timeout: WATCHDOG_MS }, async (t) => {
  const folder = temporaryDirectory(t);
  for (let file = 0; file < 20; file++) writeFileSync(join(folder, `${file}.txt`), `${file}`);
  const { code, stdout, stderr } = await run(t, MAIN, folder);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.match(stdout, /^check: one process finds the same 20 hashes$/m);
});

test("work queue example: a folder that cannot be read gives one line", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const missing = await run(t, MAIN, "/nowhere/at/all");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^ENOENT.*'\/nowhere\/at\/all'\n$/);
  const empty = await run(t, MAIN, temporaryDirectory(t));
  assert.equal(empty.code, 1);
  assert.match(empty.stderr, /^.*: there are no files in it\n$/);
});

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const) {
  test(`work queue example: ended by ${signal}, it takes its workers and its queue with it`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const [home, folder] = [temporaryDirectory(t), temporaryDirectory(t)];
    // A file of nothing but holes, whose hash takes minutes.
    const endless = join(folder, "endless.bin");
    writeFileSync(endless, "");
    truncateSync(endless, 2 ** 38);
    const program = startWith(t, { TMPDIR: home }, MAIN, folder);
    await program.wrote(/^1 files added$/m);
    const queues = () => readdirSync(home).filter((name) => name.startsWith("brokerless-"));
    assert.equal(queues().length, 1);
    program.child.kill(signal);
    // The workers share its outputs, which are closed only when the last of them is gone.
    assert.equal((await program.ended()).code, status);
    assert.deepEqual(queues(), []);
  });
}
