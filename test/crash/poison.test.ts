import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Push } from "../../lib/index.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

/** Lives after which poison has killed for too long: a few to find it, and its attempts (count). */
const LIVES_MAX = 12;

/** Starts a program beside this file, which is killed with the test. */
function start(t: TestContext, name: string, args: readonly string[]) {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args]);
  child.stderr.on("data", (bytes: Buffer) => t.diagnostic(String(bytes).trim()));
  t.after(() => child.kill("SIGKILL"));
  return { child, ended: once(child, "exit") };
}

test("poison: a message that kills its workers at once becomes the only dead letter", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const push = new Push<string>({ reliable: true, attemptsMax: 2, graceMs: 20, retryMs: 1 });
  t.after(() => push.close());
  const address = await push.bind("tcp://127.0.0.1:*");
  const values = Array.from({ length: 100 }, (_, index) => (index === 9 ? "poison" : `${index}`));
  const outcomes = values.map((value) =>
    push.send(value, { confirm: "processed" }).then(
      () => "done",
      (error) => error.code,
    ),
  );
  const all = Promise.all(outcomes);
  let isOver = false;
  void all.then(() => {
    isOver = true;
  });
  let lives = 0;
  for (; !isOver && lives < LIVES_MAX; lives++) {
    const { child, ended } = start(t, "poison-worker.ts", [address]);
    await Promise.race([ended, all]);
    child.kill("SIGKILL");
    await ended;
  }
  assert.ok(isOver, `${lives} workers were killed, and it goes on`);
  const dead = (await all).map((outcome, index) => (outcome === "done" ? "" : values[index]));
  assert.deepEqual(dead.filter(Boolean), ["poison"]);
  for await (const { value, attempts } of push.deadLetters) {
    assert.deepEqual([value, attempts], ["poison", 2]);
  }
});

test("poison: with its sender killed each time too, a message becomes the only dead letter", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(directory, { recursive: true }));
  const begun: string[] = [];
  let dead = 0;
  for (let lives = 0; dead === 0; lives++) {
    assert.ok(lives < LIVES_MAX, `begun ${begun.join()}, and nothing is dead`);
    const { child, ended } = start(t, "poison-program.ts", [directory]);
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, first] = line.split(" ") as [string, string];
      if (word === "dead") dead = Number(first);
      else {
        begun.push(first);
        // Killed at once: nothing that it has to say may have been said, or saved.
        child.kill("SIGKILL");
      }
    }
    await ended;
  }
  assert.equal(dead, 1, `begun: ${begun.join()}`);
  assert.ok(begun.filter((value) => value === "0").length >= 2, `begun: ${begun.join()}`);
});
