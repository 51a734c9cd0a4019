import loose from "node:assert";
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, repeatUntil, turn } from "./eventually.ts";
import { gate } from "./fixtures.ts";

const PLAIN = "The expression is not true";

test("eventually: a look that fails has no source searched for its words, which would keep the event loop for seconds", async () => {
  const failures: string[] = [];
  await eventually(() => {
    try {
      assert.ok(failures.length === 2);
    } catch (error) {
      failures.push((error as Error).message);
      throw error;
    }
  });
  assert.deepEqual(failures, [PLAIN, PLAIN]);
});

test("eventually: control: an assertion that is not replaced searches", () => {
  assert.throws(
    () => loose.ok(false),
    ({ message }: Error) => message !== PLAIN,
  );
});

test("repeatUntil: an action is done until what it is for has happened, one at a time, and no longer", async () => {
  const heard = gate();
  let count = 0;
  let running = 0;
  const say = async (): Promise<void> => {
    assert.equal(++running, 1, "two at a time");
    await turn();
    running -= 1;
    if (++count === 3) heard.open();
  };
  await repeatUntil(say, heard.promise);
  assert.equal(count, 3);
});

test("repeatUntil: what the action throws, and what is waited for, is thrown", async () => {
  const failing = repeatUntil(() => Promise.reject(new Error("mine")), new Promise(() => {}));
  await assert.rejects(failing, /mine/);
  const given = gate();
  const waiting = repeatUntil(
    () => given.open(),
    given.promise.then(() => {
      throw new Error("yours");
    }),
  );
  await assert.rejects(waiting, /yours/);
});

test("eventually: what an assertion is to say is said, and what it is to throw is thrown", () => {
  const mine = new RangeError("mine");
  assert.throws(() => assert.ok(0, "words"), { name: "AssertionError", message: "words" });
  assert.throws(() => assert.ok(null, mine), mine);
  assert.throws(() => assert.ok(""), { name: "AssertionError", actual: "", expected: true });
  assert.ok(1);
});
