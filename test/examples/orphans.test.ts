import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { temporaryDirectory, temporaryFile } from "./support/temporary.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BIND = "tcp://127.0.0.1:*";

/** What each of them is told where it is started by another process. */
const PROGRAMS: readonly (readonly [string, (path: string, directory: string) => string[]])[] = [
  ...["durable/source.ts", "durable/worker.ts", "durable/sink.ts", "source.ts", "worker.ts"].map(
    (name) => [`examples/flights/${name}`, flightsTask] as const,
  ),
  ["examples/flights/sink.ts", flightsTask],
  ["examples/work-queue/worker.ts", () => ["tcp://127.0.0.1:1", "tcp://127.0.0.1:1"]],
  ["bench/child.ts", benchTask],
  ["bench/soak/stalled-peer.ts", () => ["tcp://127.0.0.1:1"]],
];

function flightsTask(path: string, directory: string): string[] {
  return [
    JSON.stringify({ job: "shape", path, workers: 2, directory, bind: BIND, isVictim: false }),
  ];
}

function benchTask(): string[] {
  const options = { size: 100, messages: 1, runs: 1, subscribers: null };
  const scenario = new URL("../../bench/scenarios/push-pull.ts", import.meta.url).href;
  return [JSON.stringify({ role: "receiver", scenario, system: "brokerless", options, warmup: 1 })];
}

for (const [program, argsFor] of PROGRAMS) {
  test(`orphans: ${program} ends where its main process left while it was loading`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const args = argsFor(temporaryFile(t, "one.ndjson", '{"a":1}\n'), temporaryDirectory(t));
    const child = fork(program, args, {
      cwd: ROOT,
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
    });
    t.after(() => child.kill("SIGKILL"));
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = Promise.all([once(child, "exit"), once(child.stderr!, "close")]);
    child.disconnect();
    await ended;
    assert.equal(stderr, "");
  });
}
