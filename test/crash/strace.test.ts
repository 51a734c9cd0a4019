import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compile } from "../support/compile.ts";
import { checkJournal, victimModule } from "../support/victim.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const APPENDER = fileURLToPath(new URL("appender.mjs", import.meta.url));
const ROUNDS = 40;
const CALLS = "openat,fdatasync,fsync,pwrite64,pwritev,ftruncate,rename,unlink";

/** Which system call fails with what, and the first, second ... time that it is made. */
const FAULTS: readonly (readonly [call: string, error: string, times: readonly number[]])[] = [
  ["fdatasync", "EIO", [1, 2, 3, 5, 8, 13, 21]],
  ["fdatasync", "ENOSPC", [2, 6]],
  ["fsync", "EIO", [1, 2, 3, 4]],
  ["pwritev", "EIO", [1, 2, 3, 5, 8]],
  ["pwritev", "ENOSPC", [1, 2, 4, 9]],
  ["pwrite64", "EIO", [1, 2, 3, 5, 8]],
  ["ftruncate", "EIO", [1, 2]],
  ["rename", "EIO", [1, 2, 3]],
];

interface Observed {
  readonly stored: number;
  readonly lines: readonly string[];
  /** The system calls, one a line, in order. */
  readonly calls: readonly string[];
}

/** Runs an appender whose `when`-th call of a kind fails, in the kernel. */
async function runFailing(options: {
  readonly place: string;
  readonly module: string;
  readonly inject: string;
}): Promise<Observed> {
  const { place, module, inject } = options;
  const log = join(place, "calls");
  const watch = [
    "-f",
    "--seccomp-bpf",
    "-o",
    log,
    "-e",
    `trace=${CALLS}`,
    "-e",
    `inject=${inject}`,
  ];
  const program = [process.execPath, APPENDER, module, join(place, "journal"), "7", String(ROUNDS)];
  const child = spawn("strace", [...watch, ...program], {
    // strace counts the calls of each thread apart: so there is one.
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: WATCHDOG_MS,
  });
  const lines = (await text(child.stdout)).split("\n").filter((line) => line !== "");
  const stored = Math.max(0, ...lines.filter((line) => /^\d+$/.test(line)).map(Number));
  return { stored, lines, calls: (await readFile(log, "utf8")).split("\n") };
}

/**
 * After a sync that failed the journal has stopped, and the same file is not synced again: the
 * answer would be a lie. Only the reserve, which holds nothing, may fail and be done without.
 */
function checkFailedSync({ calls, lines }: Observed, where: string): void {
  const failedAt = calls.findIndex((line) => line.includes("(INJECTED)"));
  const descriptor = /fdatasync\((\d+)\)/.exec(calls[failedAt] ?? "")?.[1];
  assert.ok(descriptor !== undefined, `${where}: ${calls[failedAt]}`);
  const opened = calls.slice(0, failedAt).findLast((line) => line.endsWith(` = ${descriptor}`));
  if (opened?.includes("/reserve")) {
    assert.equal(lines.at(-1), "closed", where);
    return;
  }
  assert.ok(lines.includes("failed BROKERLESS_JOURNAL_FAILED"), `${where}: ${lines}`);
  const retries = calls.slice(failedAt + 1).filter((line) => line.includes(`sync(${descriptor})`));
  assert.deepEqual(retries, [], where);
}

test("strace: system calls that fail in the kernel lose nothing, and a failed sync is not retried", async (t) => {
  const isThere =
    spawnSync("strace", ["-f", "-e", "trace=none", "true"], { stdio: "ignore" }).status === 0;
  if (!isThere) {
    t.skip("needs strace, and leave to trace; test/sim/disk-faults.test.ts simulates the same");
    return;
  }
  const root = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(root, { recursive: true }));
  const module = victimModule(compile(join(root, "build"), []));
  const sum = { runs: 0, hit: 0, acknowledged: 0 };
  for (const [call, error, times] of FAULTS) {
    for (const when of times) {
      const inject = `${call}:error=${error}:when=${when}`;
      const place = await mkdtemp(join(root, "run-"));
      const observed = await runFailing({ place, module, inject });
      const { stored, lines, calls } = observed;
      sum.runs++;
      sum.acknowledged += stored;
      const isHit = calls.some((line) => line.includes("(INJECTED)"));
      if (isHit) sum.hit++;
      assert.ok(!lines.includes("went on") || error === "ENOSPC", `${inject}: ${lines}`);
      if (isHit && call === "fdatasync") checkFailedSync(observed, inject);
      await checkJournal(join(place, "journal"), { stored }, inject);
    }
  }
  t.diagnostic(`${JSON.stringify(sum)}, lost 0, wrong 0`);
  assert.ok(sum.hit * 2 > sum.runs, `only ${sum.hit} of ${sum.runs} faults came about`);
});
