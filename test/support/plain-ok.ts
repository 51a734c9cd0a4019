/**
 * Lets `assert.ok` fail at once, without a search for the words to fail with. Node 20 reads them from the source, whose
 * lines are not those of the code that tsx makes of it, and parses all that stands before the place as it supposes it:
 * that keeps the event loop for seconds, in which timers of sockets under test run out. Where a test waits for something,
 * its first look fails as a rule.
 */
import assert from "node:assert/strict";

const withMessage: (value: unknown, message?: string | Error) => void = assert.ok;

function ok(value: unknown, message?: string | Error): void {
  if (value) return;
  if (message !== undefined) withMessage(value, message);
  throw new assert.AssertionError({
    message: "The expression is not true",
    actual: value,
    expected: true,
    operator: "==",
    stackStartFn: ok,
  });
}

Object.assign(assert, { ok });
