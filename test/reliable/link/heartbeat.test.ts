import assert from "node:assert/strict";
import { test } from "node:test";
import { Heartbeat, silenceMs } from "../../../lib/reliable/link/heartbeat.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A heartbeat on a clock that stands still, and when it was sent (ms since it began). */
function sending(everyMs: () => number): {
  readonly clock: ManualClock;
  readonly heartbeat: Heartbeat;
  readonly sentMs: number[];
} {
  const clock = new ManualClock();
  const beginMs = clock.nowMs();
  const sentMs: number[] = [];
  const send = () => sentMs.push(clock.nowMs() - beginMs);
  return { clock, sentMs, heartbeat: new Heartbeat({ clock, everyMs, send }) };
}

test("heartbeat: it is sent as often as it is said after each", () => {
  let everyMs = 100;
  const { clock, sentMs } = sending(() => everyMs);
  clock.advance(250);
  everyMs = 10;
  clock.advance(70);
  assert.deepEqual(sentMs, [100, 200, 300, 310, 320]);
});

test("heartbeat: peers that come and need no shorter time put off nothing", () => {
  let everyMs = 100;
  const { clock, heartbeat, sentMs } = sending(() => everyMs);
  for (let peers = 0; peers < 9; peers++) {
    clock.advance(10);
    heartbeat.within(100);
  }
  clock.advance(10);
  assert.deepEqual(sentMs, [100]);
  everyMs = 30;
  heartbeat.within(30);
  clock.advance(30);
  assert.deepEqual(sentMs, [100, 130]);
});

test("heartbeat: there is none where it is infinitely long, until a peer needs one", () => {
  let everyMs = Number.POSITIVE_INFINITY;
  const { clock, heartbeat, sentMs } = sending(() => everyMs);
  clock.advance(1_000_000);
  assert.deepEqual(sentMs, []);
  everyMs = 5;
  heartbeat.within(5);
  clock.advance(5);
  assert.equal(sentMs.length, 1);
});

test("heartbeat: one that is stopped sends no more, also where sending is what stops it", () => {
  const clock = new ManualClock();
  let sent = 0;
  const heartbeat: Heartbeat = new Heartbeat({
    clock,
    everyMs: () => 10,
    send: () => {
      sent += 1;
      heartbeat.stop();
    },
  });
  clock.advance(10);
  heartbeat.within(1);
  clock.advance(100);
  assert.equal(sent, 1);
});

test("heartbeat: a peer may be silent for three of its heartbeats, and for ever where it has none", () => {
  assert.equal(silenceMs(100), 300);
  assert.equal(silenceMs(0), Number.POSITIVE_INFINITY);
});
