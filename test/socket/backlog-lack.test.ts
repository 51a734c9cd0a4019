import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError, type ErrorCode } from "../../lib/errors.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { Backlog } from "../../lib/reliable/sender/backlog.ts";
import { eventually, turn } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A backlog of ten messages that nobody adds to, whose first reads fail. */
async function lacking(code: ErrorCode, times: number) {
  const journal = new MemoryJournal();
  for (let i = 0; i < 10; i++) await journal.append(Buffer.of(i));
  const { read } = MemoryJournal.prototype;
  let left = times;
  journal.read = (options) => {
    if (left-- > 0) throw new BrokerlessError(code, "simulated");
    return read.call(journal, options);
  };
  const clock = new ManualClock();
  const errors: string[] = [];
  let fed = 0;
  const backlog = new Backlog({
    journal,
    clock,
    bytesMax: 2 ** 20,
    formerCodec: { takes: () => true, checked: () => {} },
    fed: () => fed,
    freshFirst: () => 1,
    onMissing: () => assert.fail("nothing is missing"),
    unsentFirst: () => 1,
    feed: ({ last }) => {
      fed = last;
    },
    onFailed: (error) => void errors.push(error.code),
  });
  return { backlog, clock, errors, fed: () => fed };
}

test("backlog: a lack passes, and what waits is read without a new message", async () => {
  const { backlog, clock, errors, fed } = await lacking("BROKERLESS_NO_SPACE", 2);
  backlog.fill();
  for (let times = 1; times <= 2; times++) {
    await turn();
    assert.deepEqual([fed(), errors.length], [0, times]);
    clock.advance(500);
  }
  await eventually(() => assert.equal(fed(), 10));
  assert.deepEqual(errors, ["BROKERLESS_NO_SPACE", "BROKERLESS_NO_SPACE"]);
  backlog.close();
});

test("backlog: negative control: after a failure for good nobody reads again", async () => {
  const { backlog, clock, errors, fed } = await lacking("BROKERLESS_JOURNAL_FAILED", 1);
  backlog.fill();
  await turn();
  clock.advance(60_000);
  for (let times = 0; times < 5; times++) await turn();
  assert.deepEqual([fed(), errors], [0, ["BROKERLESS_JOURNAL_FAILED"]]);
  backlog.close();
});

test("backlog: one that is closed meanwhile reads no more", async () => {
  const { backlog, clock, errors, fed } = await lacking("BROKERLESS_NO_SPACE", 1);
  backlog.fill();
  await turn();
  backlog.close();
  clock.advance(60_000);
  for (let times = 0; times < 5; times++) await turn();
  assert.deepEqual([fed(), errors.length], [0, 1]);
});
