import loose from "node:assert";
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "./eventually.ts";

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

test("eventually: what an assertion is to say is said, and what it is to throw is thrown", () => {
  const mine = new RangeError("mine");
  assert.throws(() => assert.ok(0, "words"), { name: "AssertionError", message: "words" });
  assert.throws(() => assert.ok(null, mine), mine);
  assert.throws(() => assert.ok(""), { name: "AssertionError", actual: "", expected: true });
  assert.ok(1);
});
