import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { eventually } from "../support/eventually.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { type Pair, ROLES } from "./roles.ts";

/** A pair whose messages pass through a proxy. */
async function apart(t: TestContext, name: string): Promise<{ pair: Pair; proxy: TcpProxy }> {
  const pair = ROLES[name]!.make();
  const proxy = await TcpProxy.to(await pair.victim.bind("tcp://127.0.0.1:*"));
  t.after(async () => {
    await Promise.all([pair.victim.close(), pair.friend.close()]);
    await pair.ended();
    await proxy.close();
  });
  pair.friend.connect(proxy.address);
  await pair.friend.ready();
  await pair.exchange(1);
  return { pair, proxy };
}

/**
 * What is under way when a fault begins arrives after it has ended.
 *
 * @param during the fault; `isThrough` tells whether the exchange is over
 */
async function through(
  pair: Pair,
  during: (isThrough: () => boolean) => Promise<void> | void,
): Promise<void> {
  let isOver = false;
  const exchanged = pair.exchange(2).then(() => {
    isOver = true;
  });
  await during(() => isOver);
  await exchanged;
  for (let count = 3; count < 10; count++) await pair.exchange(count);
}

describe("a bad network between honest peers", { concurrency: 4 }, () => {
  for (const name of Object.keys(ROLES)) {
    test(`${name}: bytes that come one at a time`, async (t) => {
      const { pair, proxy } = await apart(t, name);
      proxy.faults.split = true;
      await through(pair, () => {});
    });

    test(`${name}: bytes that come late`, async (t) => {
      const { pair, proxy } = await apart(t, name);
      proxy.faults.delayMs = 20;
      await through(pair, () => {});
    });

    test(`${name}: a connection that stalls for a while`, async (t) => {
      const { pair, proxy } = await apart(t, name);
      proxy.faults.stalled = true;
      await through(pair, async (isThrough) => {
        await eventually(() => assert.ok(proxy.held > 0 || isThrough()));
        assert.equal(isThrough(), false, "nothing was stalled");
        proxy.resume();
      });
    });

    test(`${name}: repeated resets`, { timeout: WATCHDOG_MS }, async (t) => {
      const { pair, proxy } = await apart(t, name);
      for (let round = 0; round < 3; round++) await through(pair, () => proxy.reset());
    });

    test(`${name}: a connection closed in one direction`, { timeout: WATCHDOG_MS }, async (t) => {
      const { pair, proxy } = await apart(t, name);
      await through(pair, () => proxy.halfClose());
    });

    test(`${name}: corrupted bytes`, { timeout: WATCHDOG_MS }, async (t) => {
      const { pair, proxy } = await apart(t, name);
      // Where messages of the exchange pass.
      const isSending = name === "Push" || name === "Publisher";
      proxy.faults.corruptTowards = isSending ? "client" : "server";
      // An exchange of a few bytes may be over before the seventh.
      while (proxy.corrupted === 0) {
        proxy.faults.corruptEvery = 7;
        await through(pair, async (isThrough) => {
          await eventually(() => assert.ok(proxy.corrupted > 0 || isThrough()));
          proxy.faults.corruptEvery = 0;
          // A wrong length may have swallowed what came after it.
          proxy.reset();
        });
      }
      assert.ok(proxy.connections >= 1);
    });
  }
});
