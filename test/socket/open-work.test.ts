import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenWork } from "../../lib/socket/open-work.ts";
import { turn } from "../support/eventually.ts";

/** Tells whether `promise` has settled. */
function watch(promise: Promise<void>): () => boolean {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  return () => settled;
}

test("open work: a drain waits for what is open, in whatever order it ends", async () => {
  const work = new OpenWork();
  const numbers = [work.begin(), work.begin(), work.begin()];
  const drained = watch(work.drain(undefined));
  for (const number of [numbers[1]!, numbers[2]!]) work.end(number);
  await turn();
  assert.equal(drained(), false);
  work.end(numbers[0]!);
  await turn();
  assert.equal(drained(), true);
  assert.equal(work.count, 0);
});

test("open work: a drain does not wait for what begins later", async () => {
  const work = new OpenWork();
  const first = work.begin();
  const drained = watch(work.drain(undefined));
  const later = work.begin();
  work.end(first);
  await turn();
  assert.equal(drained(), true);
  work.end(later);
});

test("open work: with nothing open a drain resolves, and stop ends all", async () => {
  const work = new OpenWork();
  await work.drain(undefined);
  work.begin();
  const drains = [work.drain(undefined), work.drain({ timeoutMs: 60_000 })];
  work.stop();
  await Promise.all(drains);
});

test("open work: a drain may give up", async () => {
  const work = new OpenWork();
  const number = work.begin();
  await assert.rejects(work.drain({ timeoutMs: 1 }), { code: "BROKERLESS_TIMEOUT" });
  work.end(number);
  await assert.rejects(
    work.drain({ signal: AbortSignal.abort("no") }),
    (reason) => reason === "no",
  );
});
