import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { takingDescriptors } from "../../../lib/transport/native/out-of-descriptors.ts";
import { WATCHDOG_MS } from "../../support/watchdog.ts";

const PROGRAM = fileURLToPath(new URL("../../hostile/programs/many.ts", import.meta.url));

test("out of descriptors: the system's error becomes BROKERLESS_NO_SPACE, other errors are unchanged", () => {
  for (const code of ["EMFILE", "ENFILE"]) {
    const cause = Object.assign(new Error("Too many open file descriptors"), { code });
    const failing = () =>
      takingDescriptors(() => {
        throw cause;
      });
    const expected = {
      name: "BrokerlessError",
      code: "BROKERLESS_NO_SPACE",
      retryable: true,
      cause,
    };
    assert.throws(failing, expected);
  }
  const other = Object.assign(new Error("no"), { code: "EINVAL" });
  assert.throws(
    () =>
      takingDescriptors(() => {
        throw other;
      }),
    (error) => error === other,
  );
  assert.equal(
    takingDescriptors(() => 7),
    7,
  );
});

test("out of descriptors: every socket reports it, when it is created or first used", (t) => {
  if (process.platform === "win32") return t.skip("no such limit");
  const command = ["-c", 'ulimit -n 200; exec "$@"', "bash"];
  const node = [process.execPath, "--import", "tsx", PROGRAM];
  const { stdout, stderr } = spawnSync("bash", [...command, ...node], {
    encoding: "utf8",
    timeout: WATCHDOG_MS,
  });
  const lines = stdout.trim().split("\n");
  const wanted = Array(6).fill("BrokerlessError BROKERLESS_NO_SPACE true");
  assert.deepEqual(lines, wanted, stderr);
});
