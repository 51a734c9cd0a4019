import assert from "node:assert/strict";
import { test } from "node:test";
import { HAND_OUTS_PER_STEP } from "../../lib/delivery/dispatch/assignment.ts";
import { Dispatcher } from "../../lib/delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherOptions,
  DispatcherState,
} from "../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../lib/delivery/dispatch/dispatcher-start.ts";
import type { SeqRange } from "../../lib/delivery/range/range.ts";
import { RangeMap } from "../../lib/delivery/range/range-map.ts";

const OPTIONS: DispatcherOptions = {
  leaseMs: 30_000,
  graceMs: 0,
  attemptsMax: 20,
  retryMs: 100,
  retryMsMax: 30_000,
  order: "perReceiver",
  deadLettersMax: 10_000,
};
const HELD = 40_000;
const BATCH = 1_000;

function start(state?: DispatcherState, seqBefore = 0): Dispatcher {
  return new Dispatcher(OPTIONS, {
    state: { ...DISPATCHER_STATE_EMPTY, ...state },
    seqBefore,
    nowMs: 0,
    random: () => 0.5,
    timeMs: () => 0,
  });
}

function join(dispatcher: Dispatcher, link: number, prefetch = 65_536): DispatcherAction[] {
  const receiver = `r${link}`;
  const credit = { prefetch, prefetchBytesMax: Number.MAX_SAFE_INTEGER };
  return dispatcher.step(
    { type: "joined", link, receiver, incarnation: "", ...credit, held: [], done: [] },
    0,
  );
}

function feed(dispatcher: Dispatcher, count: number): DispatcherAction[] {
  const actions: DispatcherAction[] = [];
  for (let left = count; left > 0; left -= BATCH) {
    const first = dispatcher.fed + 1;
    const last = first + Math.min(left, BATCH) - 1;
    actions.push(...dispatcher.step({ type: "fed", first, last, bytes: 10 * BATCH }, 0));
  }
  return actions;
}

function everySecond(last: number): SeqRange[] {
  return Array.from({ length: last / 2 }, (_, index) => ({
    first: 2 * index + 2,
    last: 2 * index + 2,
  }));
}

function sentTo(link: number, actions: readonly DispatcherAction[]): number {
  return actions.reduce((sum, action) => {
    return action.type === "send" && action.link === link
      ? sum + action.last - action.first + 1
      : sum;
  }, 0);
}

/** What a dispatcher wants done in steps that are due at once, each of which dispatches no more than it may. */
function tickWhileDue(dispatcher: Dispatcher, nowMs: number): DispatcherAction[] {
  const actions: DispatcherAction[] = [];
  while (dispatcher.deadlineMs <= nowMs) {
    const more = dispatcher.step({ type: "tick" }, nowMs);
    assert.ok(sends(more) <= HAND_OUTS_PER_STEP, `${sends(more)} in a step`);
    actions.push(...more);
  }
  return actions;
}

function sends(actions: readonly DispatcherAction[]): number {
  return actions.filter(({ type }) => type === "send").length;
}

/** One receiver holds much, and has acknowledged every second message of it. */
function fragmented(): Dispatcher {
  const dispatcher = start();
  join(dispatcher, 1);
  assert.equal(sentTo(1, feed(dispatcher, HELD)), HELD);
  dispatcher.step({ type: "acked", link: 1, ranges: everySecond(HELD) }, 1);
  return dispatcher;
}

test("bounds: who acknowledges every second message gets no more, and all others do", () => {
  const dispatcher = fragmented();
  join(dispatcher, 2);
  const actions = feed(dispatcher, 20_000);
  assert.equal(sentTo(1, actions), 0);
  assert.ok(sentTo(2, actions) >= 4_096, `the other gets ${sentTo(2, actions)}`);
  const acked = { first: HELD + 1, last: HELD + 2_000 };
  const more = dispatcher.step({ type: "acked", link: 2, ranges: [acked] }, 2);
  assert.ok(sentTo(2, more) > 0, "it gets more when it has answered");
});

test("bounds: what is dispatched is saved in few ranges, however it was acknowledged, and restored without the settled", () => {
  const state = fragmented().state();
  assert.equal(state.settled.length, HELD / 2);
  assert.equal(state.leased.length, 1);
  const dispatcher = start(state, HELD);
  const sent = [...feed(dispatcher, HELD), ...join(dispatcher, 1), ...tickWhileDue(dispatcher, 0)];
  assert.equal(sentTo(1, sent), HELD / 2, "all but the settled are dispatched");
});

test("bounds: thousands of single messages that come back are dispatched over steps that are due at once", () => {
  const dispatcher = start();
  join(dispatcher, 1);
  feed(dispatcher, HELD);
  const ranges = everySecond(8_000);
  const nack = { type: "nacked", link: 1, ranges, delayMs: 0, error: null } as const;
  const first = dispatcher.step(nack, 1);
  assert.equal(sends(first), HAND_OUTS_PER_STEP);
  const rest = tickWhileDue(dispatcher, 1);
  assert.equal(sentTo(1, [...first, ...rest]), ranges.length);
  // The control: where all is dispatched, nothing is due before a lease ends.
  assert.ok(dispatcher.deadlineMs > 1_000);
});

for (const [name, event] of Object.entries({
  leaves: { type: "left", link: 1 },
  dies: { type: "lost", link: 1 },
} as const)) {
  test(`bounds: what comes back when a receiver ${name} is cut at what it had begun, not each part at all of it`, (t) => {
    const dispatcher = start();
    join(dispatcher, 1);
    feed(dispatcher, 8_000);
    const ranges = everySecond(8_000);
    // Every second lease ends at another time, and those are begun: thousands of parts, and of begun ones.
    dispatcher.step({ type: "extended", link: 1, ranges, leaseMs: 60_000 }, 1);
    dispatcher.step({ type: "begun", link: 1, ranges, wantsGo: false }, 1);
    const { mock } = t.mock.method(RangeMap.prototype, "set");
    dispatcher.step(event, 2);
    tickWhileDue(dispatcher, 2);
    assert.ok(mock.callCount() > ranges.length, "the control: it was counted");
    assert.ok(mock.callCount() < 100 * ranges.length, `${mock.callCount()} ranges are noted`);
  });
}

test("bounds: who asks for a go is looked at once, not each lease with all that it asks for", (t) => {
  const dispatcher = start();
  join(dispatcher, 1);
  feed(dispatcher, 8_000);
  const ranges = everySecond(8_000);
  dispatcher.step({ type: "extended", link: 1, ranges, leaseMs: 60_000 }, 1);
  const { mock } = t.mock.method(RangeMap.prototype, "set");
  dispatcher.step({ type: "begun", link: 1, ranges, wantsGo: true }, 1);
  assert.ok(mock.callCount() > ranges.length, "the control: it was counted");
  assert.ok(mock.callCount() < 100 * ranges.length, `${mock.callCount()} ranges are noted`);
});

test("bounds: ten thousand dead letters that are no neighbours are kept, and after a restart too", () => {
  const dispatcher = start();
  join(dispatcher, 1);
  feed(dispatcher, 20_000);
  const actions = everySecond(20_000).flatMap(({ first }) => {
    const ranges = [{ first, last: first }];
    const why = { reason: `reason ${first}`, error: null };
    return dispatcher.step({ type: "rejected", link: 1, ranges, ...why }, 1);
  });
  assert.equal(dispatcher.dead.count, 10_000);
  assert.ok(actions.every(({ type }) => type !== "deadLettersFull"));
  assert.equal(start(dispatcher.state(), 20_000).dead.count, 10_000);
});

test("bounds: a lease is lengthened by a day at most", () => {
  const dispatcher = start();
  join(dispatcher, 1);
  feed(dispatcher, 10);
  const ranges = [{ first: 1, last: 10 }];
  dispatcher.step({ type: "extended", link: 1, ranges, leaseMs: 2 ** 32 - 2 }, 0);
  const day = 86_400_000;
  const revoked = dispatcher.step({ type: "tick" }, day);
  assert.deepEqual(
    revoked.filter(({ type }) => type === "revoked").length,
    1,
    "it is held for longer than a day",
  );
});

test("bounds: where too many are in back-off, those whose back-off ends first are tried again, and the others wait on", () => {
  const dispatcher = start();
  join(dispatcher, 1);
  feed(dispatcher, HELD);
  let again = 0;
  for (const { first } of everySecond(HELD)) {
    const ranges = [{ first, last: first }];
    const delayMs = 1_000_000 + (first % 7) * 100_000;
    again += sentTo(
      1,
      dispatcher.step({ type: "nacked", link: 1, ranges, delayMs, error: null }, 1),
    );
  }
  const { backOffs } = dispatcher.state(1);
  assert.ok(backOffs.length <= 16_384, `${backOffs.length} ranges in back-off`);
  assert.ok(
    backOffs.length > 12_000 && again > 0,
    `${backOffs.length} in back-off, ${again} came again`,
  );
  assert.ok(backOffs.every(({ value }) => value.backOffMs >= 1_000_000));
});
