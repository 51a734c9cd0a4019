import assert from "node:assert/strict";
import { test } from "node:test";
import { AttentiveClock } from "../../../lib/reliable/link/attentive-clock.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const EVERY_MS = 100;

test("attentive clock: it goes with the clock as long as timers are on time, and stands still else", () => {
  const clock = new ManualClock();
  const attentive = new AttentiveClock(clock, EVERY_MS);
  const startMs = attentive.nowMs();
  clock.advance(1_050);
  assert.equal(attentive.nowMs() - startMs, 1_050);
  clock.jump(10_000);
  const afterMs = attentive.nowMs();
  assert.ok(afterMs - startMs <= 1_050 + EVERY_MS, "what was missed does not count");
  clock.advance(250);
  assert.equal(attentive.nowMs() - afterMs, 250);
});

test("attentive clock: what is asked before the timers are called hears of the missed time too", () => {
  const clock = new ManualClock();
  const attentive = new AttentiveClock(clock, EVERY_MS);
  const startMs = attentive.nowMs();
  let seenMs = 0;
  clock.after(EVERY_MS / 2, () => {
    seenMs = attentive.nowMs();
  });
  clock.jump(5_000);
  assert.ok(seenMs - startMs <= EVERY_MS);
  assert.ok(attentive.nowMs() >= seenMs, "it never goes back");
});

test("attentive clock: once stopped it leaves no timer behind", () => {
  const clock = new ManualClock();
  const pending: unknown[] = [];
  const after = clock.after.bind(clock);
  clock.after = (delayMs, call) => {
    const cancel = after(delayMs, call);
    pending.push(call);
    return () => {
      pending.splice(pending.indexOf(call), 1);
      cancel();
    };
  };
  new AttentiveClock(clock, EVERY_MS).stop();
  assert.deepEqual(pending, []);
});
