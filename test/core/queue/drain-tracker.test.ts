import assert from "node:assert/strict";
import { test } from "node:test";
import { DrainTracker } from "../../../lib/core/queue/drain-tracker.ts";
import { OpenWork } from "../../../lib/core/queue/open-work.ts";
import { turn } from "../../support/eventually.ts";

/** The names of the promises that have resolved, in that order. */
function ended(promises: Readonly<Record<string, Promise<void>>>): string[] {
  const names: string[] = [];
  for (const [name, promise] of Object.entries(promises)) {
    void promise.then(() => names.push(name));
  }
  return names;
}

test("drain tracker: each drain ends at the first check at which its own condition holds", async () => {
  const tracker = new DrainTracker<number>();
  const names = ended({
    two: tracker.until((count) => count >= 2, undefined),
    one: tracker.until((count) => count >= 1, undefined),
  });
  await turn();
  assert.deepEqual(names, [], "nothing is asked before a check");
  tracker.check(1);
  await turn();
  assert.deepEqual(names, ["one"]);
  tracker.check(2);
  await turn();
  assert.deepEqual(names, ["one", "two"]);
});

test("drain tracker: a drain that gave up is asked no more", async () => {
  const tracker = new DrainTracker();
  const given = new AbortController();
  let asked = 0;
  const drained = tracker.until(() => ++asked > 0, { signal: given.signal });
  given.abort(new Error("enough"));
  await assert.rejects(drained, /enough/);
  tracker.check();
  assert.equal(asked, 0);
});

test("drain tracker: what is closed rejects who waits, and who comes later", async () => {
  const tracker = new DrainTracker();
  const before = tracker.until(() => false, undefined);
  tracker.close();
  await assert.rejects(before, { code: "BROKERLESS_CLOSED" });
  await assert.rejects(
    tracker.until(() => true, undefined),
    { code: "BROKERLESS_CLOSED" },
  );
});

test("open work: a drain waits for what is open at its call, whatever order it ends in, and for nothing later", async () => {
  const work = new OpenWork();
  await work.drain(undefined);
  const [a, b] = [work.begin(), work.begin()];
  const early = work.drain(undefined);
  const c = work.begin();
  const names = ended({ early, late: work.drain(undefined) });
  work.end(b);
  work.end(c);
  await turn();
  assert.deepEqual(names, []);
  const d = work.begin();
  work.end(a);
  await turn();
  assert.deepEqual(names, ["early", "late"]);
  assert.equal(work.count, 1);
  work.end(d);
  await work.drain(undefined);
});

test("open work: what is stopped rejects who waits", async () => {
  const work = new OpenWork();
  work.begin();
  const drained = work.drain(undefined);
  work.stop();
  await assert.rejects(drained, { code: "BROKERLESS_CLOSED" });
});
