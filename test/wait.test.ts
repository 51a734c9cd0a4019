import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { lastLook } from "../lib/last-look.ts";
import { quiet, type Settle, type WaitOptions, wait } from "../lib/wait.ts";
import { turn } from "./support/eventually.ts";

/** A wait whose ends the test holds. */
function begin(options?: WaitOptions) {
  let settle: Settle<string> | null = null;
  let cancelled = 0;
  const promise = wait<string>("the call", options, (ends) => {
    settle = ends;
    return () => {
      cancelled += 1;
    };
  });
  return { promise, settle: settle as Settle<string> | null, cancelled: () => cancelled };
}

test("wait: resolves with what it is given, and does not cancel", async () => {
  const { promise, settle, cancelled } = begin();
  settle!.resolve("value");
  assert.equal(await promise, "value");
  assert.equal(cancelled(), 0);
});

test("wait: rejects with what it is given, and does not cancel", async () => {
  const { promise, settle, cancelled } = begin();
  settle!.reject(new RangeError("no"));
  await assert.rejects(promise, RangeError);
  assert.equal(cancelled(), 0);
});

test("wait: gives up at the time limit with BROKERLESS_TIMEOUT, and cancels once", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { promise, cancelled } = begin({ timeoutMs: 250 });
  t.mock.timers.tick(249);
  assert.equal(cancelled(), 0);
  t.mock.timers.tick(1);
  await assert.rejects(promise, {
    name: "BrokerlessError",
    code: "BROKERLESS_TIMEOUT",
    retryable: true,
    message: "the call: not within 250 ms",
  });
  assert.equal(cancelled(), 1);
});

test("wait: what arrives behind a timer, in the same turn of the event loop, is no time-out", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (let turns = 1; turns < 4; turns++) {
    const { promise, settle, cancelled } = begin({ timeoutMs: 0 });
    t.mock.timers.tick(1);
    for (let left = turns; left > 1; left--) await turn();
    assert.equal(cancelled(), 0);
    settle!.resolve("there");
    assert.equal(await promise, "there");
    for (let left = 6; left > 0; left--) await turn();
    assert.equal(cancelled(), 0);
  }
});

test("wait: an abort does not look for anything", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const controller = new AbortController();
  const { promise, cancelled } = begin({ timeoutMs: 1, signal: controller.signal });
  t.mock.timers.tick(1);
  controller.abort("now");
  assert.equal(cancelled(), 1);
  await assert.rejects(promise, (error) => error === "now");
  for (let left = 6; left > 0; left--) await turn();
  assert.equal(cancelled(), 1);
});

test("last look: goes on while a reader finds more, and ends although it always does", async () => {
  let isReading = true;
  let ended = 0;
  lastLook(
    () => {
      ended += 1;
    },
    () => isReading,
  );
  for (let left = 20; left > 0; left--) await turn();
  assert.equal(ended, 0);
  isReading = false;
  await turn();
  await turn();
  assert.equal(ended, 1);
  await new Promise<void>((resolve) => lastLook(resolve, () => true));
});

test("wait: gives up with the signal's own reason, and cancels once", async () => {
  const controller = new AbortController();
  const { promise, cancelled } = begin({ signal: controller.signal, timeoutMs: 60_000 });
  const reason = { mine: true };
  controller.abort(reason);
  await assert.rejects(promise, (error) => error === reason);
  assert.equal(cancelled(), 1);
});

test("wait: with a signal that has aborted, nothing begins", async () => {
  const { promise, settle } = begin({ signal: AbortSignal.abort("early") });
  await assert.rejects(promise, (error) => error === "early");
  assert.equal(settle, null);
});

test("wait: a settled call leaves no listener and no timer behind", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { signal } = new AbortController();
  const { promise, settle, cancelled } = begin({ signal, timeoutMs: 10 });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  settle!.resolve("done");
  await promise;
  assert.equal(getEventListeners(signal, "abort").length, 0);
  t.mock.timers.tick(20);
  assert.equal(cancelled(), 0);
});

test("wait: a call that settles while it begins leaves nothing behind either", async () => {
  const { signal } = new AbortController();
  const promise = wait<number>("now", { signal, timeoutMs: 60_000 }, ({ resolve }) => {
    resolve(7);
    return () => assert.fail("cancelled");
  });
  assert.equal(await promise, 7);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("wait: what throws while it begins is the rejection", async () => {
  const promise = wait<number>("broken", { timeoutMs: 60_000 }, () => {
    throw new RangeError("begin");
  });
  await assert.rejects(promise, RangeError);
});

test("wait: wrong options are a TypeError at once", () => {
  const wrong: readonly unknown[] = [
    null,
    7,
    { timeoutMs: -1 },
    { timeoutMs: 2 ** 31 },
    { timeoutMs: Number.NaN },
    { timeoutMs: "5" },
    { timeoutMs: null },
    { signal: {} },
    { signal: null },
  ];
  for (const options of wrong) {
    assert.throws(() => begin(options as WaitOptions), TypeError, JSON.stringify(options));
  }
});

test("quiet: a rejection that nobody awaits does no harm, and is there for who does", async () => {
  const rejected = quiet(Promise.reject(new RangeError("late")));
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(rejected, RangeError);
});
