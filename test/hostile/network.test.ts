import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
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

/** What is under way when a fault begins arrives after it has ended. */
async function through(pair: Pair, during: () => Promise<void> | void): Promise<void> {
  const exchanged = pair.exchange(2);
  await during();
  await exchanged;
  for (let count = 3; count < 10; count++) await pair.exchange(count);
}

/** Long enough for messages to be in the middle of everything (milliseconds). */
const A_WHILE_MS = 50;
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, A_WHILE_MS));

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
      await through(pair, async () => {
        await aWhile();
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
      proxy.faults.corruptEvery = 7;
      await through(pair, async () => {
        await aWhile();
        proxy.faults.corruptEvery = 0;
        // A wrong length may have swallowed what came after it.
        proxy.reset();
      });
      assert.ok(proxy.connections >= 1);
    });
  }
});
