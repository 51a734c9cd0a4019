import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Replier, Requester } from "../lib/index.ts";
import { onAbort } from "../lib/on-abort.ts";
import { type Settle, wait } from "../lib/wait.ts";
import { open } from "./support/fixtures.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

test("on abort: a hundred waits have one listener of their signal, and all end with it", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const waits = Array.from({ length: 100 }, () =>
    wait<void>("the call", { signal }, () => () => {}),
  );
  assert.equal(listeners(signal), 1);
  controller.abort("over");
  assert.equal(listeners(signal), 0);
  const ends = await Promise.allSettled(waits);
  assert.ok(ends.every((end) => end.status === "rejected" && end.reason === "over"));
});

test("on abort: waits that settle leave no listener, and the next begins anew", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  for (let round = 0; round < 3; round++) {
    const settles: Settle<number>[] = [];
    const waits = Array.from({ length: 100 }, () =>
      wait<number>("the call", { signal }, (settle) => {
        settles.push(settle);
        return () => assert.fail("cancelled");
      }),
    );
    for (const settle of settles.splice(1)) settle.resolve(1);
    assert.equal(listeners(signal), 1);
    settles[0]!.reject(new RangeError("no"));
    assert.equal(listeners(signal), 0);
    await Promise.allSettled(waits);
  }
  const last = wait<void>("the call", { signal }, () => () => {});
  controller.abort("over");
  await assert.rejects(last, (reason) => reason === "over");
});

test("on abort: all are told in order, but those that are forgotten meanwhile", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const told: number[] = [];
  onAbort(signal, () => {
    told.push(1);
    forget();
  });
  const forget = onAbort(signal, () => told.push(2));
  onAbort(signal, () => told.push(3));
  controller.abort();
  forget();
  assert.deepEqual(told, [1, 3]);
});

test("on abort: one that throws keeps no other from being told", async () => {
  const controller = new AbortController();
  let calls = 0;
  const call = (): void => {
    calls += 1;
    throw new RangeError(`call ${calls}`);
  };
  onAbort(controller.signal, () => call());
  onAbort(controller.signal, () => call());
  const thrown: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error.message));
  controller.abort();
  assert.equal(calls, 2);
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners("uncaughtException");
  for (const listener of before) process.on("uncaughtException", listener);
  assert.deepEqual(thrown, ["call 1", "call 2"]);
});

test("on abort: requests have one listener together, and Node warns of none", async (t) => {
  const requester = open(t, new Requester<number, number>());
  const controller = new AbortController();
  const { signal } = controller;
  const requests = Array.from({ length: 100 }, (_, index) => requester.request(index, { signal }));
  assert.equal(listeners(signal), 1);
  controller.abort("over");
  const ends = await Promise.allSettled(requests);
  assert.ok(ends.every((end) => end.status === "rejected" && end.reason === "over"));
  assert.equal(listeners(signal), 0);
});

test("on abort: requests that have a reply leave no listener", async (t) => {
  const replier = open(t, new Replier<number, number>());
  void replier.serve((request) => request);
  const requester = open(t, new Requester<number, number>());
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  const { signal } = new AbortController();
  const replies = await Promise.all(
    [1, 2, 3].map((request) => requester.request(request, { signal })),
  );
  assert.deepEqual(replies, [1, 2, 3]);
  assert.equal(listeners(signal), 0);
});

test("on abort: control: Node warns of eleven listeners", async () => {
  const { signal } = new AbortController();
  const warned = once(process, "warning");
  for (let i = 0; i < 11; i++) signal.addEventListener("abort", () => {});
  assert.match(String(await warned), /MaxListenersExceededWarning/);
});

test("on abort: nothing of the library listens to a signal by itself", () => {
  const lib = new URL("../lib/", import.meta.url).pathname;
  const listening = readdirSync(lib, { recursive: true, encoding: "utf8" }).filter(
    (file) =>
      /\.[tj]s$/.test(file) &&
      readFileSync(join(lib, file), "utf8").includes('addEventListener("abort"'),
  );
  assert.deepEqual(
    listening.map((file) => file.replace(/\.[tj]s$/, "")),
    ["on-abort"],
  );
});
