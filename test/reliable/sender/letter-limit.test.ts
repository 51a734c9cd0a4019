import assert from "node:assert/strict";
import { test } from "node:test";
import { LetterLimit } from "../../../lib/reliable/sender/letter-limit.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("letter limit: that there is no room is told once in a second, however many would be dead letters", () => {
  const clock = new ManualClock();
  const told: string[] = [];
  const limit = new LetterLimit({
    clock,
    dispatcher: { dead: { count: 7, size: 3 } },
    rules: { deadLettersMax: 7 },
    onProblem: ({ code, message }) => told.push(`${code}: ${message}`),
  });
  for (let seq = 1; seq <= 25; seq++) {
    limit.report(seq);
    clock.advance(100);
  }
  assert.equal(told.length, 3);
  assert.match(
    told[1]!,
    /^BROKERLESS_FULL: 7 dead letters are kept, in 3 ranges; .* Message 11 is/,
  );
});
