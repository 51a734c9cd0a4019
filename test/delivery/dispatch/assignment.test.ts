import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatcher } from "../../../lib/delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
} from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";

const OPTIONS: DispatcherOptions = {
  leaseMs: 100_000,
  graceMs: 30,
  attemptsMax: 3,
  retryMs: 10,
  retryMsMax: 40,
  order: "none",
  deadLettersMax: 10,
};

/** A dispatcher that is told something, and answers with what is sent then. */
function told(order: DispatcherOptions["order"] = "none", state: Partial<DispatcherState> = {}) {
  const dispatcher = new Dispatcher(
    { ...OPTIONS, order },
    {
      state: { ...DISPATCHER_STATE_EMPTY, ...state },
      seqBefore: state.leased === undefined ? 0 : 20,
      nowMs: 0,
      random: () => 0.5,
      timeMs: () => 0,
    },
  );
  const tell = (event: DispatcherEvent, nowMs = 0): string[] =>
    sends(dispatcher.step(event, nowMs));
  return { dispatcher, tell };
}

function sends(actions: readonly DispatcherAction[]): string[] {
  return actions
    .filter((action) => action.type === "send")
    .map(({ link, first, last, attempt }) => `${link}: ${first}-${last} #${attempt}`);
}

function join(
  link: number,
  options: { prefetch?: number; prefetchBytesMax?: number; congested?: boolean } = {},
  held: readonly SeqRange[] = [],
): DispatcherEvent {
  const receiver = `r${link}`;
  const credit = { prefetch: 8, prefetchBytesMax: 1_000, ...options };
  return { type: "joined", link, receiver, incarnation: receiver, ...credit, held, done: [] };
}

function fed(first: number, last: number, bytesEach = 1): DispatcherEvent {
  return { type: "fed", first, last, bytes: (last - first + 1) * bytesEach };
}

function acked(link: number, ...ranges: readonly SeqRange[]): DispatcherEvent {
  return { type: "acked", link, ranges };
}

function nacked(link: number, seq: number): DispatcherEvent {
  const ranges = [{ first: seq, last: seq }];
  return { type: "nacked", link, ranges, delayMs: null, error: null };
}

for (const order of ["none", "perReceiver", "total"] as const) {
  test(`assignment: a retry is sent when its back-off is over, to a receiver with too little room for a batch (${order})`, () => {
    const { dispatcher, tell } = told(order);
    tell(fed(1, 20));
    assert.deepEqual(tell(join(1)), ["1: 1-8 #1"]);
    assert.deepEqual(tell(acked(1, { first: 1, last: 2 })), [], "room for 2, and 12 wait");
    assert.deepEqual(tell(nacked(1, 3)), []);
    const { deadlineMs } = dispatcher;
    assert.ok(deadlineMs <= OPTIONS.retryMs);
    assert.deepEqual(tell({ type: "tick" }, deadlineMs), ["1: 3-3 #2"]);
  });
}

test("assignment: what one receiver gives back is sent to another with too little room for a batch", () => {
  const { tell } = told();
  tell(join(1));
  tell(join(2, { prefetch: 1 }));
  tell(fed(1, 1));
  assert.deepEqual(tell(fed(2, 2)), ["2: 2-2 #1"]);
  assert.deepEqual(tell(fed(3, 22)), ["1: 3-9 #1"]);
  assert.deepEqual(tell(acked(1, { first: 1, last: 1 })), []);
  assert.deepEqual(tell({ type: "left", link: 2 }), ["1: 2-2 #1"]);
});

test("assignment: a batch that fits is sent when another receiver has taken the one before, which did not", () => {
  const { tell } = told();
  tell(join(1));
  assert.deepEqual(tell(fed(1, 6)), ["1: 1-6 #1"]);
  assert.deepEqual(tell(fed(7, 9)), [], "room for 2");
  assert.deepEqual(tell(fed(10, 11)), []);
  assert.deepEqual(tell(join(2, { prefetch: 3 })), ["2: 7-9 #1", "1: 10-11 #1"]);
});

test("assignment: smaller messages are sent when another receiver has taken those that were too large", () => {
  const { tell } = told();
  tell(join(1, { prefetchBytesMax: 100 }));
  assert.deepEqual(tell(fed(1, 1, 80)), ["1: 1-1 #1"]);
  assert.deepEqual(tell(fed(2, 2, 31)), [], "room for 20 bytes");
  assert.deepEqual(tell(fed(3, 10, 2)), []);
  assert.deepEqual(tell(join(2, { prefetch: 1 })), ["2: 2-2 #1", "1: 3-9 #1"]);
});

test("assignment: what waits for the tables is sent when another receiver makes them short", () => {
  const { tell } = told();
  const credit = { prefetch: 65_536, prefetchBytesMax: 1_000_000 };
  for (const link of [1, 2]) tell(join(link, credit));
  assert.deepEqual(tell(fed(1, 40_000)), ["1: 1-20000 #1", "2: 20001-40000 #1"]);
  const second = (first: number) => ({ first, last: first });
  const even = Array.from({ length: 9_000 }, (_, index) => second(2 * index + 2));
  tell(acked(1, ...even));
  tell(acked(2, ...even.map(({ first }) => second(first + 20_000))));
  assert.deepEqual(tell(fed(40_001, 40_010)), []);
  tell({ type: "congested", link: 2 });
  assert.deepEqual(tell(acked(2, { first: 20_001, last: 40_000 })), ["1: 40001-40010 #1"]);
});

test("assignment: a receiver that keeps order from now on is sent what it has to wait for", () => {
  const { tell } = told("perReceiver", {
    leased: [{ first: 11, last: 15, value: 1 }],
    receivers: ["r1", "r2"],
  });
  tell(fed(1, 10));
  tell(fed(11, 20));
  assert.deepEqual(tell(join(1, {}, [{ first: 11, last: 15 }])), []);
  assert.deepEqual(tell(join(2, { congested: true })), [], "room for 3");
  assert.deepEqual(tell({ type: "left", link: 2 }), ["1: 1-3 #1"]);
});

test("assignment: who declined messages and is silent, congested or gone is offered no others", () => {
  for (const type of ["silent", "congested", "lost"] as const) {
    const { dispatcher, tell } = told();
    tell(fed(1, 20));
    tell(join(1));
    tell(acked(1, { first: 1, last: 2 }));
    tell(nacked(1, 3));
    tell({ type, link: 1 });
    assert.deepEqual(tell({ type: "tick" }, dispatcher.deadlineMs), [], type);
  }
});
