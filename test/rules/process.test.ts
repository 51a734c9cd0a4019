/** What zeromq.js does to a process that uses it as its README shows, and what must not happen with us. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Pull } from "../../lib/index.ts";
import { type ChildOptions, type Ending, runChild } from "../support/child.ts";
import { open } from "../support/fixtures.ts";

function run(t: TestContext, name: string, options: ChildOptions = {}): Promise<Ending> {
  const flags = ["--unhandled-rejections=strict", ...(options.flags ?? [])];
  return runChild(t, new URL(`programs/${name}.ts`, import.meta.url), { ...options, flags });
}

/** It ended by itself, without a word of complaint. */
function assertClean(ending: Ending, code = 0): void {
  assert.deepEqual(
    { code: ending.code, signal: ending.signal, stderr: ending.stderr },
    { code, signal: null, stderr: "" },
    ending.stdout,
  );
}

test("rule 1: wrong options are TypeErrors, and the process ends cleanly", async (t) => {
  const ending = await run(t, "wrong-options");
  assertClean(ending);
  assert.equal(ending.stdout, "works on: 1\n");
});

test("rule 3: sockets closed in every state leave no rejection that nobody handles", async (t) => {
  const ending = await run(t, "closes-pending");
  assertClean(ending);
  assert.equal(ending.stdout, "closed\n");
});

test("rule 4: process.exit with calls of every kind under way neither hangs nor crashes", async (t) => {
  assertClean(await run(t, "ends-pending", { args: ["exit"] }), 7);
  assertClean(await run(t, "ends-pending", { args: ["exit later"] }), 7);
});

test("rule 4: an uncaught exception with calls of every kind under way ends the process", async (t) => {
  const { code, signal, stderr } = await run(t, "ends-pending", { args: ["throw"] });
  assert.deepEqual([code, signal], [1, null], stderr);
  assert.match(stderr, /RangeError: on purpose/);
});

for (const how of ["exit", "throw", "close", "close and exit"]) {
  test(`rule 4: a worker thread that ends by "${how}" takes nothing with it`, async (t) => {
    const ending = await run(t, "thread-ends", { args: [how] });
    assertClean(ending);
    assert.equal(ending.stdout, "42\n");
  });
}

for (const how of ["closed at once", "closed in turn", "disposed"]) {
  test(`rule 4: a thread whose sockets are ${how} can be terminated`, async (t) => {
    const ending = await run(t, "thread-terminated", { args: [how] });
    assertClean(ending);
    assert.equal(ending.stdout, "went on\n");
  });
}

test("rule 4: control: a thread whose sockets are open takes the process with it", async (t) => {
  const { signal, stdout } = await run(t, "thread-terminated", { args: ["open"] });
  assert.match(String(signal), /SIGABRT|SIGSEGV/);
  assert.equal(stdout, "");
});

test("rules 4 and 11: threads talk over inproc both ways, and end by themselves", async (t) => {
  const ending = await run(t, "thread-inproc");
  assertClean(ending);
  assert.equal(ending.stdout, `${10_000 * 9_999}\n`);
});

test("rule 6 and the 512 rule: 100,000 sends that nobody awaits are sent, or wait in bounded memory", async (t) => {
  const ending = await run(t, "unawaited");
  assertClean(ending);
  assert.equal(ending.stdout, "[ 100000, 100000, 100000 ]\n100000\n100000\n");
});

test("rule 7: undelivered messages hold up the end of a process for lingerMs at most", async (t) => {
  const nobody = await run(t, "undelivered", { args: ["tcp://127.0.0.1:1"] });
  assertClean(nobody);
  const pull = open(t, new Pull());
  const address = await pull.bind("tcp://127.0.0.1:*");
  assertClean(await run(t, "undelivered", { args: [address, "ready"] }));
});

test("rule 10: bind, unbind and close need no thread of libuv's pool", async (t) => {
  const ending = await run(t, "no-threads", { env: { UV_THREADPOOL_SIZE: "1" } });
  assertClean(ending);
  assert.equal(ending.stdout, "blocked throughout\n");
});

test("rule 11: a socket that nobody references stays open", async (t) => {
  const ending = await run(t, "collected", { flags: ["--expose-gc"] });
  assertClean(ending);
  assert.equal(ending.stdout, "1000\n");
});

test("rule 11: control: one of zeromq.js that nobody references is closed", async (t) => {
  const ending = await run(t, "collected-bare", { flags: ["--expose-gc"] });
  assertClean(ending);
  assert.equal(ending.stdout, "its address is free\n");
});

test("rule 11: a process whose sockets are closed ends by itself", async (t) => {
  const ending = await run(t, "ends-alone");
  assertClean(ending);
  assert.equal(ending.stdout, "done\n");
});
