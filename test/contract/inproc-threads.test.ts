import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type Binder, meetingOf, PARTNERS, play } from "../support/played-role.ts";
import { startThread } from "../support/thread.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const PLAYED = new URL("../support/played-role.ts", import.meta.url).href;
const BINDERS: readonly Binder[] = ["thread", "main thread"];

for (const binder of BINDERS) {
  const claim = "inproc: frames of every kind pass between a thread and the main thread";
  test(`${claim}, in every role; the ${binder} binds`, { timeout: WATCHDOG_MS }, async (t) => {
    const thread = startThread(PLAYED, { binder });
    const ended = once(thread, "exit");
    const failed = new Promise<never>((_, reject) => thread.once("error", reject));
    for (const [inThread, part] of PARTNERS) {
      t.diagnostic(`${inThread} in the thread, ${part} here`);
      const address = meetingOf(inThread, binder);
      await Promise.race([play({ part, binds: binder === "main thread", address }), failed]);
    }
    assert.deepEqual(await ended, [0]);
  });
}
