import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Router } from "zeromq";
import type { NativeSocket } from "../../../lib/transport/native/native.ts";
import { skipRoutingIds } from "../../../lib/transport/native/router-ids.ts";
import { WATCHDOG_MS } from "../../support/watchdog.ts";

/** A socket of which every second question is interrupted by a signal. */
function interrupted(router: Router): NativeSocket {
  let asked = 0;
  return new Proxy(router, {
    get(target, name) {
      asked += name === "readable" ? 1 : 0;
      if (name === "readable" && asked % 2 === 1) {
        throw Object.assign(new Error("Interrupted system call"), { code: "EINTR" });
      }
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  }) as unknown as NativeSocket;
}

test("routing ids: a signal to the process while ids are skipped is no error", () => {
  const router = new Router({});
  skipRoutingIds(interrupted(router));
  router.close();
});

test("routing ids: a profiled process can bind", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const program = `
    import { Pull } from ${JSON.stringify(new URL("../../../lib/index.ts", import.meta.url).href)};
    for (let count = 0; count < 10; count++) {
      const pull = new Pull({ reliable: true });
      await pull.bind("tcp://127.0.0.1:*");
      await pull.close();
    }`;
  const profile = ["--cpu-prof", "--cpu-prof-interval=50", `--cpu-prof-dir=${directory}`];
  const args = ["--import", "tsx", ...profile, "--input-type=module", "--eval", program];
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    timeout: WATCHDOG_MS,
  });
  assert.equal(status, 0, stderr);
});
