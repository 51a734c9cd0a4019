import assert from "node:assert/strict";
import { test } from "node:test";
import {
  TABLE_RANGES_MAX,
  UnheldMessages,
} from "../../../lib/delivery/attempts/unheld-messages.ts";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";
import { range } from "../../support/fixtures.ts";

const pairs = (ranges: readonly SeqRange[]) => ranges.map(({ first, last }) => [first, last]);
const ONCE = { attempts: 1, bytesEach: 1 };

/** 1 to 2 are in back-off until 50, 3 to 4 are to be dispatched again, and 5 to 8 for the first time. */
function unheld(): UnheldMessages {
  const messages = new UnheldMessages();
  messages.backOff({ first: 1, last: 2 }, { ...ONCE, dueMs: 50 });
  messages.ready.set(3, 4, ONCE);
  messages.fresh.set(5, 8, { attempts: 0, bytesEach: 1 });
  return messages;
}

test("unheld messages: what was in back-off is ready at its time, and not before", () => {
  const messages = unheld();
  assert.equal(messages.wake(49), 50);
  assert.equal(messages.ready.lowest?.first, 3);
  assert.equal(messages.wake(50), Number.POSITIVE_INFINITY);
  assert.deepEqual(pairs([...messages.ready]), [[1, 4]]);
});

test("unheld messages: where too many ranges are in back-off, those that are due first become ready", () => {
  const messages = new UnheldMessages();
  for (const index of range(TABLE_RANGES_MAX + 1)) {
    const seq = index * 2 + 1;
    messages.backOff({ first: seq, last: seq }, { ...ONCE, dueMs: TABLE_RANGES_MAX - index });
  }
  const woken = messages.ready.count;
  assert.ok(woken > 1 && woken < TABLE_RANGES_MAX / 8, `${woken}`);
  assert.equal(messages.ready.lowest?.first, (TABLE_RANGES_MAX + 1 - woken) * 2 + 1);
});

test("unheld messages: the oldest are taken first, from whichever table", () => {
  const messages = unheld();
  assert.equal(messages.first, 1);
  assert.deepEqual(pairs(messages.takeOldest(5)), [
    [1, 2],
    [3, 4],
    [5, 5],
  ]);
  assert.equal(messages.first, 6);
  assert.equal(messages.takeOldest(9).length, 1);
  assert.equal(messages.first, Number.POSITIVE_INFINITY);
});

test("unheld messages: a size that becomes known holds for what is in back-off too", () => {
  const messages = unheld();
  messages.sized({ first: 2, last: 3 }, 7);
  messages.wake(50);
  const sizes = [...messages.ready].map(({ first, last, value }) => [first, last, value.bytesEach]);
  assert.deepEqual(sizes, [
    [1, 1, 1],
    [2, 3, 7],
    [4, 4, 1],
  ]);
});

test("unheld messages: what is outstanding is all to be dispatched again, and the rest up to a seq", () => {
  const messages = unheld();
  assert.deepEqual(pairs(messages.upTo(6)), [
    [3, 4],
    [1, 2],
    [5, 6],
  ]);
  assert.deepEqual(pairs(messages.take({ first: 2, last: 5 })), [
    [3, 4],
    [2, 2],
    [5, 5],
  ]);
});
