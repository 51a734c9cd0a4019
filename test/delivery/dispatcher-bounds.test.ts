import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatcher } from "../../lib/delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherOptions,
  DispatcherState,
} from "../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../lib/delivery/dispatch/dispatcher-start.ts";
import type { SeqRange } from "../../lib/delivery/range/range.ts";

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

test("bounds: what is handed out is saved in few ranges, however it was acknowledged, and restored without the settled", () => {
  const state = fragmented().state();
  assert.equal(state.settled.length, HELD / 2);
  assert.equal(state.leased.length, 1);
  const dispatcher = start(state, HELD);
  const sent = [...feed(dispatcher, HELD), ...join(dispatcher, 1)];
  assert.equal(sentTo(1, sent), HELD / 2, "all but the settled are handed out");
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
  const lost = dispatcher.step({ type: "tick" }, day);
  assert.deepEqual(
    lost.filter(({ type }) => type === "lost").length,
    1,
    "it is held for longer than a day",
  );
});

test("bounds: where too many rest, those whose rest ends first are tried again, and the others rest on", () => {
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
  const { rests } = dispatcher.state(1);
  assert.ok(rests.length <= 16_384, `${rests.length} ranges rest`);
  assert.ok(rests.length > 12_000 && again > 0, `${rests.length} rest, ${again} came again`);
  assert.ok(rests.every(({ value }) => value.restMs >= 1_000_000));
});
