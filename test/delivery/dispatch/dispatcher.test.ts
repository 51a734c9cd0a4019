import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dispatcher } from "../../../lib/delivery/dispatch/dispatcher.ts";
import type {
  DispatcherAction,
  DispatcherEvent,
  DispatcherOptions,
  DispatcherState,
} from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";
import { countAll } from "../../../lib/delivery/range/range.ts";
import { DispatcherModel } from "../dispatcher-model.ts";

const CREDIT = { prefetch: 100, prefetchBytesMax: Number.MAX_SAFE_INTEGER };
const EVER = Number.MAX_SAFE_INTEGER;
const OPTIONS: DispatcherOptions = {
  leaseMs: 100,
  graceMs: 30,
  attemptsMax: 3,
  retryMs: 10,
  retryMsMax: 40,
  order: "perReceiver",
  deadLettersMax: 1_000,
};

function start(
  options: Partial<DispatcherOptions> = {},
  state?: Partial<DispatcherState>,
  seqBefore = 0,
  timeMs: () => number = () => 0,
) {
  return new Dispatcher(
    { ...OPTIONS, ...options },
    {
      state: { ...DISPATCHER_STATE_EMPTY, ...state },
      seqBefore,
      nowMs: 0,
      random: () => 0.5,
      timeMs,
    },
  );
}

function join(
  link: number,
  prefetch = 100,
  options: { readonly receiver?: string; readonly bytesMax?: number } = {},
): DispatcherEvent {
  const { receiver = `r${link}`, bytesMax: prefetchBytesMax = EVER } = options;
  const who = { receiver, incarnation: receiver };
  return { type: "joined", link, ...who, prefetch, prefetchBytesMax, held: [], done: [] };
}

const R1 = { receiver: "r1", incarnation: "r1" };

/** A batch of messages that are all of one size (bytes). */
function fed(first: number, last: number, bytesEach = 1): DispatcherEvent {
  return { type: "fed", first, last, bytes: (last - first + 1) * bytesEach };
}

function acked(link: number, first: number, last: number = first): DispatcherEvent {
  return { type: "acked", link, ranges: [{ first, last }] };
}

function begun(link: number, first: number, last: number = first): DispatcherEvent {
  return { type: "begun", link, ranges: [{ first, last }], wantsGo: false };
}

/** What is dispatched; with an exclamation mark where it is to be begun alone. */
function sends(actions: readonly DispatcherAction[]): string[] {
  return actions
    .filter((action) => action.type === "send")
    .map(({ link, first, last, attempt, guarded }) => {
      return `${link}: ${first}-${last} #${attempt}${guarded ? "!" : ""}`;
    });
}

const seq = fc.integer({ min: 1, max: 30 });
const someRange = fc
  .tuple(seq, seq)
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const link = fc.integer({ min: 1, max: 3 });
const script = fc.array(
  fc.oneof(
    fc.record({
      type: fc.constant("fed" as const),
      count: fc.integer({ min: 1, max: 5 }),
      bytesEach: fc.integer({ min: 1, max: 16 }),
    }),
    fc.record({
      type: fc.constant("join" as const),
      link,
      prefetch: fc.integer({ min: 1, max: 6 }),
      isAnother: fc.boolean(),
      congested: fc.boolean(),
      prefetchBytesMax: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(EVER)),
    }),
    fc.record({
      type: fc.constantFrom(
        "acked" as const,
        "released" as const,
        "rejected" as const,
        "begun" as const,
      ),
      link,
      range: someRange,
    }),
    fc.record({
      type: fc.constant("nacked" as const),
      link,
      range: someRange,
      ms: fc.nat(50),
      said: fc.option(fc.constantFrom("one", "other")),
    }),
    fc.record({ type: fc.constant("extended" as const), link, range: someRange, ms: fc.nat(200) }),
    fc.record({ type: fc.constantFrom("lost" as const, "left" as const), link }),
    fc.record({ type: fc.constantFrom("congested" as const, "relieved" as const), link }),
    fc.record({ type: fc.constant("tick" as const), ms: fc.nat(60) }),
    fc.record({ type: fc.constant("drop" as const), count: fc.integer({ min: 1, max: 4 }) }),
  ),
  { maxLength: 80, size: "max" },
);

const MODES: readonly Pick<DispatcherOptions, "order">[] = [
  { order: "perReceiver" },
  { order: "none" },
  { order: "total" },
];
for (const mode of MODES) {
  test(`dispatcher: every choice is allowed and nothing is stuck (${JSON.stringify(mode)})`, () => {
    fc.assert(
      fc.property(script, (steps) => {
        const options = { ...OPTIONS, ...mode };
        let nowMs = 0;
        const dispatcher = start(mode, {}, 0, () => nowMs);
        const model = new DispatcherModel(options);
        const current = new Map<number, number>();
        let links = 0;
        for (const step of steps) {
          nowMs += step.type === "tick" ? step.ms : 1;
          const event = eventOf(step, { current, model, next: () => ++links });
          if (event === null) continue;
          model.apply(event, nowMs);
          for (const action of dispatcher.step(event, nowMs)) model.check(action);
          model.checkRest(dispatcher.state());
          model.checkDead(dispatcher.dead);
          assert.ok(dispatcher.deadlineMs > nowMs, "a deadline has passed and nothing happened");
        }
      }),
      { numRuns: 500 },
    );
  });
}

type Step = typeof script extends fc.Arbitrary<(infer S)[]> ? S : never;

/** A receiver is one of three; each of its connections is a link of its own. */
function eventOf(
  step: Step,
  world: {
    readonly current: Map<number, number>;
    readonly model: DispatcherModel;
    readonly next: () => number;
  },
): DispatcherEvent | null {
  const { current, model } = world;
  if (step.type === "tick") return { type: "tick" };
  if (step.type === "drop") return { type: "drop", count: step.count };
  if (step.type === "fed") {
    return fed(model.seqLast + 1, model.seqLast + step.count, step.bytesEach);
  }
  if (step.type === "join") {
    const held = model.held(current.get(step.link) ?? 0);
    const id = world.next();
    current.set(step.link, id);
    const claim = (share: number) =>
      held
        .filter((one) => one % 3 === share)
        .sort((a, b) => a - b)
        .map((one) => ({ first: one, last: one }));
    const { prefetch, prefetchBytesMax, congested } = step;
    const receiver = `r${step.link}`;
    const incarnation = step.isAnother ? `${receiver}-${id}` : receiver;
    const who = { link: id, receiver, incarnation, prefetch, prefetchBytesMax, congested };
    return { type: "joined", ...who, held: claim(0), done: claim(1) };
  }
  const id = current.get(step.link);
  if (id === undefined) return null;
  if (!("range" in step)) {
    if (step.type === "left") current.delete(step.link);
    return { type: step.type, link: id };
  }
  const known = model.links.get(id);
  if (known === undefined || known.graceEndMs !== null) return null;
  const ranges = [step.range];
  if (step.type === "nacked") {
    const error = step.said === null ? null : { name: "Error", message: step.said, code: null };
    return { type: "nacked", link: id, ranges, delayMs: step.ms, error };
  }
  if (step.type === "extended") {
    return { type: "extended", link: id, ranges, leaseMs: step.ms + 1 };
  }
  if (step.type === "begun") {
    return { type: "begun", link: id, ranges, wantsGo: step.range.first % 2 === 0 };
  }
  if (step.type === "rejected")
    return { type: "rejected", link: id, ranges, reason: "no", error: null };
  return { type: step.type, link: id, ranges };
}

test("dispatcher: a receiver that is alone keeps order, unless there is to be none", () => {
  const told = (order: DispatcherOptions["order"]): boolean[] =>
    start({ order })
      .step(join(1), 0)
      .flatMap((action) => (action.type === "ordering" ? [action.ordered] : []));
  assert.deepEqual(told("perReceiver"), [true]);
  assert.deepEqual(told("none"), [false]);
});

test("dispatcher: a burst is shared evenly, whole batches stay whole", () => {
  const dispatcher = start();
  for (const id of [1, 2, 3, 4]) dispatcher.step(join(id), 0);
  const shared = sends(dispatcher.step(fed(1, 100), 0));
  assert.deepEqual(shared, ["1: 1-25 #1", "2: 26-50 #1", "3: 51-75 #1", "4: 76-100 #1"]);
  const alone = start();
  alone.step(join(1), 0);
  assert.deepEqual(sends(alone.step(fed(1, 100), 0)), ["1: 1-100 #1"]);
});

test("dispatcher: prefetch 1 gives one message at a time, to whoever is free", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 1), 0);
  dispatcher.step(join(2, 1), 0);
  const first = sends(dispatcher.step(fed(1, 4), 0));
  assert.deepEqual(first, ["1: 1-1 #1", "2: 2-2 #1"]);
  const ranges = [{ first: 2, last: 2 }];
  assert.deepEqual(sends(dispatcher.step({ type: "acked", link: 2, ranges }, 1)), ["2: 3-3 #1"]);
});

test("dispatcher: an ack of what was never sent, or of 2^53, frees nothing", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 2), 0);
  dispatcher.step(fed(1, 5), 0);
  const ranges = [{ first: 1, last: Number.MAX_SAFE_INTEGER }];
  const actions = dispatcher.step({ type: "acked", link: 1, ranges }, 1);
  assert.deepEqual(
    actions.filter((action) => action.type === "settled").map(({ first, last }) => [first, last]),
    [[1, 2]],
  );
  assert.equal(dispatcher.floor, 2);
  const never = dispatcher.step({ type: "acked", link: 9, ranges: [{ first: 3, last: 3 }] }, 2);
  assert.equal(never.filter((action) => action.type === "settled").length, 0);
});

test("dispatcher: the ack of a lease that ended is refused, and its holder told", () => {
  const dispatcher = start();
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 3), 0);
  dispatcher.step(begun(1, 1, 3), 0);
  dispatcher.step(join(2), 1);
  const ended = dispatcher.step({ type: "tick" }, 100);
  assert.deepEqual(sends(ended), ["2: 1-3 #2"]);
  assert.ok(ended.some((action) => action.type === "revoked" && action.link === 1));
  const ranges = [{ first: 1, last: 3 }];
  const late = dispatcher.step({ type: "acked", link: 1, ranges }, 101);
  assert.deepEqual(late, [{ type: "revoked", link: 1, ranges }]);
  assert.equal(dispatcher.floor, 0);
});

test("dispatcher: an extension never takes away what was left of a lease", () => {
  const dispatcher = start();
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 1), 0);
  const ranges = [{ first: 1, last: 1 }];
  dispatcher.step({ type: "extended", link: 1, ranges, leaseMs: 5 }, 10);
  dispatcher.step({ type: "tick" }, 99);
  assert.deepEqual(dispatcher.heldOf(1, ranges[0]!).length, 1);
  dispatcher.step({ type: "extended", link: 1, ranges, leaseMs: 60 }, 99);
  dispatcher.step({ type: "tick" }, 158);
  assert.deepEqual(dispatcher.heldOf(1, ranges[0]!).length, 1);
  dispatcher.step({ type: "tick" }, 159);
  assert.deepEqual(dispatcher.heldOf(1, ranges[0]!), []);
});

test("dispatcher: a receiver without a connection keeps its leases as long as its grace", () => {
  const dispatcher = start({ leaseMs: 100, graceMs: 500 });
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 2), 0);
  dispatcher.step(join(2), 1);
  dispatcher.step({ type: "lost", link: 1 }, 50);
  assert.deepEqual(sends(dispatcher.step({ type: "tick" }, 549)), []);
  const done = [{ first: 1, last: 1 }];
  const back = dispatcher.step(
    { ...join(3, 100, { receiver: "r1" }), done } as DispatcherEvent,
    549,
  );
  assert.ok(!back.some(({ type }) => type === "revoked"), "what was done meanwhile counts");
  assert.equal(dispatcher.floor, 1);
});

test("dispatcher: after attemptsMax a message is dead, and requeueing is up to others", () => {
  const dispatcher = start({ attemptsMax: 2 });
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 2), 0);
  const nack = (nowMs: number) =>
    dispatcher.step(
      { type: "nacked", link: 1, ranges: [{ first: 1, last: 1 }], delayMs: 0, error: null },
      nowMs,
    );
  assert.deepEqual(sends(nack(1)), ["1: 1-1 #2"]);
  const dead = nack(2);
  assert.ok(dead.some((action) => action.type === "settled" && action.outcome === "dead"));
  assert.deepEqual(
    [...dispatcher.dead].map(({ first, value }) => [first, value.attempts]),
    [[1, 2]],
  );
  assert.equal(dispatcher.dead.lowestAt, 1);
  dispatcher.step({ type: "purged", ranges: [{ first: 1, last: 1 }] }, 3);
  assert.equal(dispatcher.dead.lowestAt, Number.POSITIVE_INFINITY);
});

test("dispatcher: back-off doubles up to its limit, with full jitter", () => {
  const dispatcher = start({ attemptsMax: 9 });
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 1), 0);
  const backOffs: number[] = [];
  let nowMs = 0;
  for (let attempt = 1; attempt <= 5; attempt++) {
    const ranges = [{ first: 1, last: 1 }];
    dispatcher.step({ type: "nacked", link: 1, ranges, delayMs: null, error: null }, nowMs);
    backOffs.push(dispatcher.deadlineMs - nowMs);
    nowMs = dispatcher.deadlineMs;
    assert.deepEqual(sends(dispatcher.step({ type: "tick" }, nowMs)), [`1: 1-1 #${attempt + 1}`]);
  }
  assert.deepEqual(backOffs, [5, 10, 20, 20, 20]);
});

test("dispatcher: receivers in total order take over only when the active one's messages are free", () => {
  const dispatcher = start({ order: "total" });
  dispatcher.step(join(1), 0);
  dispatcher.step(join(2), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 2), 0)), ["1: 1-2 #1"]);
  dispatcher.step(begun(1, 1, 2), 1);
  assert.deepEqual(sends(dispatcher.step({ type: "lost", link: 1 }, 5)), []);
  assert.deepEqual(sends(dispatcher.step(fed(3, 4), 6)), []);
  assert.deepEqual(sends(dispatcher.step({ type: "tick" }, 35)), ["2: 1-2 #2!", "2: 3-4 #1"]);
});

test("dispatcher: of receivers in total order that all hang, the first that speaks again gets the messages", () => {
  const dispatcher = start({ order: "total" });
  dispatcher.step(join(1), 0);
  dispatcher.step(join(2), 0);
  dispatcher.step(fed(1, 2), 0);
  const { leaseMs } = OPTIONS;
  assert.deepEqual(sends(dispatcher.step({ type: "tick" }, leaseMs)), ["2: 1-1 #1!", "2: 2-2 #1"]);
  assert.deepEqual(sends(dispatcher.step({ type: "tick" }, 2 * leaseMs)), []);
  const spoken: DispatcherEvent = { type: "extended", link: 1, ranges: [], leaseMs: 1 };
  assert.deepEqual(sends(dispatcher.step(spoken, 2 * leaseMs + 1)), ["1: 1-2 #1!"]);
});

test("dispatcher: after a restart it waits for who held messages, and takes their claims", () => {
  const dispatcher = start(
    {},
    { floor: 2, settled: [{ first: 5, last: 5 }], receivers: ["r1"] },
    8,
  );
  dispatcher.step(fed(3, 8), 0);
  assert.deepEqual(sends(dispatcher.step(join(2), 1)), []);
  const held = [{ first: 3, last: 3 }];
  const done = [{ first: 4, last: 5 }];
  const back = dispatcher.step({ type: "joined", link: 1, ...R1, ...CREDIT, held, done }, 2);
  assert.deepEqual(sends(back), ["2: 6-7 #1", "1: 8-8 #1"]);
  assert.ok(!back.some((action) => action.type === "revoked"));
  dispatcher.step({ type: "acked", link: 1, ranges: held }, 3);
  assert.equal(dispatcher.floor, 5);
});

test("dispatcher: nobody can claim what was never sent before", () => {
  const dispatcher = start({}, { receivers: ["r1"] }, 3);
  const done = [{ first: 1, last: 10 }];
  dispatcher.step({ type: "joined", link: 1, ...R1, ...CREDIT, held: [], done }, 0);
  assert.equal(dispatcher.floor, 3);
  assert.deepEqual(sends(dispatcher.step(fed(1, 5), 1)), ["1: 4-5 #1"]);
});

test("dispatcher: who was not there before a restart claims nothing, neither done nor held", () => {
  for (const receivers of [["r1"], ["another"], []]) {
    const leased = [{ first: 1, last: 2, value: 1 }];
    const dispatcher = start({}, { receivers, leased }, 9);
    const [held, done] = [[{ first: 1, last: 3 }], [{ first: 4, last: 2 ** 52 }]];
    const told = dispatcher.step({ type: "joined", link: 1, ...R1, ...CREDIT, held, done }, 0);
    const isKnown = receivers.includes("r1");
    assert.equal(dispatcher.settledCount, isKnown ? 6 : 0);
    assert.equal(countAll(dispatcher.heldOf(1, { first: 1, last: 9 })), isKnown ? 3 : 0);
    assert.ok(told.some(({ type }) => type === "revoked"));
  }
});

test("dispatcher: another process of a receiver's name has done what that held, and cannot hold it", () => {
  const dispatcher = start();
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 4), 1);
  dispatcher.step({ type: "lost", link: 1 }, 2);
  const [held, done] = [[{ first: 1, last: 2 }], [{ first: 3, last: 3 }]];
  const claim = { type: "joined", link: 2, ...R1, ...CREDIT, held, done } as const;
  const actions = dispatcher.step({ ...claim, incarnation: "another" }, 3);
  assert.deepEqual(
    dispatcher.state().settled.map(({ first, last }) => [first, last]),
    [[3, 3]],
  );
  assert.ok(actions.some((action) => action.type === "revoked" && action.ranges[0]?.last === 2));
  assert.deepEqual(sends(actions), ["2: 1-1 #1!", "2: 2-2 #1", "2: 4-4 #1"]);
});

test("dispatcher: a receiver holds no more bytes than it has credit for", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 100, { bytesMax: 1_000 }), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 3, 320), 0)), ["1: 1-3 #1"]);
  assert.deepEqual(sends(dispatcher.step(fed(4, 4, 320), 0)), []);
  // What is short enough fits, once it is its turn: order is kept.
  assert.deepEqual(sends(dispatcher.step(fed(5, 5, 16), 0)), []);
  assert.deepEqual(sends(dispatcher.step(acked(1, 2), 1)), ["1: 4-4 #1", "1: 5-5 #1"]);
});

test("dispatcher: a message beyond all credit goes alone", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 100, { bytesMax: 1_000 }), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 1, 16), 0)), ["1: 1-1 #1"]);
  assert.deepEqual(sends(dispatcher.step(fed(2, 2, 4_096), 0)), []);
  assert.deepEqual(sends(dispatcher.step(fed(3, 3, 16), 0)), []);
  assert.deepEqual(sends(dispatcher.step(acked(1, 1), 1)), ["1: 2-2 #1"]);
  assert.deepEqual(sends(dispatcher.step(acked(1, 2), 2)), ["1: 3-3 #1"]);
});

test("dispatcher: a batch is cut to the credit in bytes where little would be gained by waiting", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 100, { bytesMax: 1_024 }), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 10, 256), 0)), ["1: 1-4 #1"]);
  assert.deepEqual(sends(dispatcher.step(acked(1, 1), 1)), [], "a quarter of the credit is free");
  assert.deepEqual(sends(dispatcher.step(acked(1, 2), 2)), ["1: 5-6 #1"]);
});

test("dispatcher: what comes again counts with its size, in any way that it comes", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 100, { bytesMax: 1_024 }), 0);
  dispatcher.step(join(2, 100, { bytesMax: 1_024 }), 0);
  const both = sends(dispatcher.step(fed(1, 8, 256), 0));
  assert.deepEqual(both, ["1: 1-4 #1", "2: 5-8 #1"]);
  // A back-off, a lost link, and a lease that is extended.
  const ranges = [{ first: 1, last: 2 }];
  dispatcher.step({ type: "nacked", link: 1, ranges, delayMs: 5, error: null }, 1);
  dispatcher.step({ type: "extended", link: 1, ranges: [{ first: 3, last: 4 }], leaseMs: 500 }, 2);
  const left = sends(dispatcher.step({ type: "left", link: 2 }, 3));
  assert.deepEqual(left, ["1: 5-6 #1"]);
  assert.deepEqual(sends(dispatcher.step(join(3, 100, { bytesMax: 768 }), 8)), [
    "3: 1-2 #2",
    "3: 7-7 #1",
  ]);
  assert.deepEqual(sends(dispatcher.step(acked(1, 3), 9)), ["1: 8-8 #1"]);
  assert.equal(sends(dispatcher.step(fed(9, 9, 256), 10)).length, 0);
});

test("dispatcher: what a receiver brought along counts once its size is known", () => {
  const dispatcher = start({}, { receivers: ["r1"] }, 4);
  const held = [{ first: 1, last: 4 }];
  const credit = { prefetch: 100, prefetchBytesMax: 1_024 };
  dispatcher.step({ type: "joined", link: 1, ...R1, ...credit, held, done: [] }, 0);
  dispatcher.step(fed(1, 4, 256), 1);
  assert.deepEqual(sends(dispatcher.step(fed(5, 6, 256), 2)), []);
  assert.deepEqual(sends(dispatcher.step(acked(1, 1, 2), 3)), ["1: 5-6 #1"]);
});

test("dispatcher: who keeps order gets what it waits for, however large what it holds", () => {
  const dispatcher = start();
  dispatcher.step(join(1, 100, { bytesMax: 1_024 }), 0);
  dispatcher.step(fed(1, 4, 256), 0);
  dispatcher.step(fed(5, 5, 256), 0);
  const ranges = [{ first: 1, last: 1 }];
  const again = dispatcher.step({ type: "nacked", link: 1, ranges, delayMs: 0, error: null }, 1);
  assert.deepEqual(sends(again), ["1: 1-1 #2"]);
});

test("dispatcher: a receiver that comes back is told what others hold, and what they have done", () => {
  const dispatcher = start();
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 6), 0);
  dispatcher.step(begun(1, 1, 6), 0);
  dispatcher.step({ type: "lost", link: 1 }, 1);
  const others = dispatcher.step(join(2), 40);
  assert.deepEqual(sends(others), ["2: 1-6 #2!"]);
  dispatcher.step(acked(2, 2, 3), 41);
  const held = [{ first: 1, last: 3 }];
  const done = [{ first: 5, last: 5 }];
  const again = { ...join(3, 100, { receiver: "r1" }), held, done } as DispatcherEvent;
  const told = dispatcher.step(again, 42).flatMap((action) => {
    if (action.type !== "revoked" && action.type !== "settledElsewhere") return [];
    return action.ranges.map(({ first, last }) => `${action.type} ${first}-${last}`);
  });
  assert.deepEqual(told, ["revoked 1-3", "revoked 5-5", "settledElsewhere 2-3"]);
  const { settled } = dispatcher.state();
  assert.ok(!settled.some(({ first, last }) => first <= 5 && 5 <= last));
});

test("dispatcher: what was begun when the process before died has been tried once more, the rest has not", () => {
  const first = start({ attemptsMax: 2 });
  first.step({ type: "fed", first: 1, last: 4, bytes: 400 }, 0);
  assert.deepEqual(sends(first.step(join(1), 0)), ["1: 1-4 #1"]);
  assert.ok(first.savesBeforeSending);
  first.step(begun(1, 1, 3), 1);
  const receivers = ["r1", "r9"];
  const second = start({ attemptsMax: 2 }, { ...first.state(), receivers }, 4);
  second.step({ type: "fed", first: 1, last: 4, bytes: 400 }, 0);
  const held = [{ first: 2, last: 2 }];
  assert.deepEqual(sends(second.step({ ...join(1), held } as DispatcherEvent, 1)), []);
  const again = second.step({ type: "tick" }, 30);
  assert.deepEqual(sends(again), ["1: 1-1 #2!", "1: 3-3 #2!", "1: 4-4 #1!"]);
  assert.deepEqual(
    second.state().leased.map(({ value }) => value),
    [2, 1, 2, 1],
  );
  const ranges = [{ first: 1, last: 1 }];
  second.step({ type: "acked", link: 1, ranges }, 31);
  assert.ok(second.savesBeforeSending, "others have had no answer");
  second.step(begun(1, 3), 32);
  const third = start({ attemptsMax: 2 }, second.state(), 4);
  const dead = third.step({ type: "tick" }, 30);
  assert.deepEqual(
    dead.filter((action) => action.type === "settled").map((action) => action.first),
    [3],
  );
});

/** A receiver takes what there is, begins `says`, and dies. @returns what the next one gets */
function death(dispatcher: Dispatcher, link: number, says: readonly number[]): string[] {
  for (const seq of says) dispatcher.step(begun(link, seq), link);
  dispatcher.step({ type: "lost", link }, link);
  return sends(dispatcher.step(join(link + 1, 2_000), link));
}

test("dispatcher: what a receiver that died had begun goes out guarded, the lowest of the rest too, and nothing else is tried", () => {
  const dispatcher = start({ graceMs: 0 });
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 100), 0);
  assert.deepEqual(death(dispatcher, 1, [3]), [
    "2: 1-1 #1!",
    "2: 2-2 #1",
    "2: 3-3 #2!",
    "2: 4-100 #1",
  ]);
  assert.deepEqual(death(dispatcher, 2, [3]), [
    "3: 1-1 #1!",
    "3: 2-2 #1",
    "3: 3-3 #3!",
    "3: 4-100 #1",
  ]);
  assert.deepEqual(death(dispatcher, 3, [3]), ["4: 1-1 #1!", "4: 2-2 #1", "4: 4-100 #1"]);
  assert.deepEqual(
    [...dispatcher.dead].map(({ first, value }) => [first, value.attempts]),
    [[3, 3]],
  );
});

test("dispatcher: where nothing is said more are guarded after each death, of those that were there each time", () => {
  const dispatcher = start({ graceMs: 0 });
  dispatcher.step(join(1, 2_000), 0);
  dispatcher.step(fed(1, 2_000), 0);
  const guardedTo = [1, 2, 3].map((link) => {
    death(dispatcher, link, []);
    return dispatcher.state().suspects.guarded.at(-1)!.last;
  });
  assert.deepEqual(guardedTo, [1, 33, 1_057]);
  assert.deepEqual(dispatcher.state().attempts, []);
  dispatcher.step(acked(4, 1, 2_000), 10);
  assert.deepEqual(dispatcher.state().suspects, { begun: [], guarded: [], exposed: [], deaths: 0 });
});

test("dispatcher: of much that was begun only the lowest are guarded, and all count", () => {
  const dispatcher = start({ graceMs: 0, attemptsMax: 9 });
  dispatcher.step(join(1, 5_000), 0);
  dispatcher.step(fed(1, 5_000), 0);
  dispatcher.step(begun(1, 1, 5_000), 1);
  assert.deepEqual(death(dispatcher, 1, []), ["2: 1-1024 #2!", "2: 1025-2000 #2"]);
});

test("dispatcher: a guarded one that is begun explains a death: nobody else is suspected", () => {
  const dispatcher = start({ graceMs: 0, attemptsMax: 9 });
  dispatcher.step(join(1, 2_000), 0);
  dispatcher.step(fed(1, 50), 0);
  death(dispatcher, 1, []);
  const asks = { ...begun(2, 1, 60), wantsGo: true } as DispatcherEvent;
  const go = dispatcher.step(asks, 3).flatMap((action) => {
    return action.type === "go" ? action.ranges.map(({ first, last }) => [first, last]) : [];
  });
  assert.deepEqual(go, [[1, 50]]);
  assert.deepEqual(death(dispatcher, 2, []), ["3: 1-50 #2!"]);
});

test("dispatcher: who asks has nothing else unacked: what it had asked for before was not tried", () => {
  const asks = (link: number, ...seqs: number[]): DispatcherEvent => {
    const ranges = seqs.map((one) => ({ first: one, last: one }));
    return { type: "begun", link, ranges, wantsGo: true };
  };
  for (const next of [[1], []]) {
    const dispatcher = start({ graceMs: 0, attemptsMax: 2 });
    dispatcher.step(join(1), 0);
    dispatcher.step(fed(1, 3), 0);
    death(dispatcher, 1, [1, 2]);
    dispatcher.step(asks(2, 2), 3);
    // Something comes first after all.
    dispatcher.step(asks(2, ...next), 4);
    const begun = next.map((one) => ({ first: one, last: one }));
    assert.deepEqual(dispatcher.state().suspects.begun, begun);
    const left = next.length === 0 ? ["3: 1-2 #2!"] : ["3: 2-2 #2!"];
    assert.deepEqual(death(dispatcher, 2, []).slice(0, 1), left);
  }
});

test("dispatcher: a last attempt that is lost beside others is made once more, alone; an only one is not", () => {
  const nacked = { type: "nacked", link: 1, delayMs: 0, error: null } as const;
  const dispatcher = start({ graceMs: 0, attemptsMax: 2 });
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 2), 0);
  dispatcher.step({ ...nacked, ranges: [{ first: 1, last: 2 }] }, 1);
  assert.deepEqual(death(dispatcher, 1, [1, 2]), ["2: 1-2 #2!"]);
  assert.deepEqual(death(dispatcher, 2, [1]), ["3: 2-2 #2!"]);
  assert.deepEqual(
    [...dispatcher.dead].map(({ first, value }) => [first, value.attempts]),
    [[1, 2]],
  );
  const once = start({ graceMs: 0, attemptsMax: 1 });
  once.step(join(1), 0);
  once.step(fed(1, 2), 0);
  assert.deepEqual(death(once, 1, [1, 2]), []);
});

test("dispatcher: who leaves in order, or lets a lease end and lives, makes nobody suspect", () => {
  const dispatcher = start();
  dispatcher.step(join(1), 0);
  dispatcher.step(fed(1, 3), 0);
  dispatcher.step(begun(1, 1), 1);
  dispatcher.step({ type: "left", link: 1 }, 2);
  assert.deepEqual(sends(dispatcher.step(join(2), 3)), ["2: 1-1 #2", "2: 2-3 #1"]);
  dispatcher.step(begun(2, 1), 4);
  const ranges = [{ first: 2, last: 3 }];
  dispatcher.step({ type: "extended", link: 2, ranges, leaseMs: 500 }, 50);
  dispatcher.step({ type: "tick" }, 103);
  assert.deepEqual(sends(dispatcher.step(join(3), 104)), ["3: 1-1 #3"]);
  // One that says nothing at all hangs, as if it had died.
  dispatcher.step(begun(3, 1), 105);
  dispatcher.step({ type: "extended", link: 2, ranges: [], leaseMs: 1 }, 106);
  const dead = dispatcher.step({ type: "tick" }, 600);
  assert.ok(dead.some((action) => action.type === "settled" && action.outcome === "dead"));
  assert.deepEqual(sends(dispatcher.step(join(4), 601)), ["4: 2-2 #1!", "4: 3-3 #1"]);
});

test("dispatcher: who keeps order gets beyond its credit only what comes before all else", () => {
  const dispatcher = start();
  const nack = (seq: number, delayMs: number, nowMs: number): string[] => {
    const ranges = [{ first: seq, last: seq }];
    return sends(dispatcher.step({ type: "nacked", link: 1, ranges, delayMs, error: null }, nowMs));
  };
  dispatcher.step(join(1, 1), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 3), 0)), ["1: 1-1 #1"]);
  assert.deepEqual(nack(1, 20, 1), ["1: 2-2 #1"]);
  assert.deepEqual(nack(2, 5, 2), ["1: 3-3 #1"]);
  const again = [10, 30].map((nowMs) => sends(dispatcher.step({ type: "tick" }, nowMs)));
  assert.deepEqual(again, [[], ["1: 1-1 #2"]], "2 is of no use before 1 is there");
  assert.deepEqual(sends(dispatcher.step(acked(1, 1), 31)), ["1: 2-2 #2"]);
});

test("dispatcher: for whom much waits gets nothing, whatever it gives back, and others do", () => {
  const dispatcher = start({ retryMs: 0 });
  dispatcher.step(join(1, 2), 0);
  assert.deepEqual(sends(dispatcher.step(fed(1, 2), 0)), ["1: 1-2 #1"]);
  assert.deepEqual(sends(dispatcher.step({ type: "congested", link: 1 }, 1)), []);
  const ranges = [{ first: 1, last: 1 }];
  const of1 = { link: 1, ranges };
  const words: DispatcherEvent[] = [
    { type: "released", ...of1 },
    { type: "extended", link: 1, ranges: [], leaseMs: 1 },
    // Alone it keeps order: what it waits for comes beyond its credit, and not now either.
    { type: "nacked", ...of1, delayMs: 0, error: null },
    acked(1, 2),
  ];
  for (const word of words) assert.deepEqual(sends(dispatcher.step(word, 2)), [], word.type);
  assert.deepEqual(sends(dispatcher.step(fed(3, 4), 3)), []);
  const other = sends(dispatcher.step(join(2, 2), 4));
  assert.deepEqual(other, ["2: 1-1 #1", "2: 3-3 #1"]);
  assert.deepEqual(sends(dispatcher.step({ type: "relieved", link: 1 }, 5)), ["1: 4-4 #1"]);
});

test("dispatcher: who keeps order gets nothing beyond its credit while much waits for it", () => {
  const handed = (isCongested: boolean): string[] => {
    const dispatcher = start();
    dispatcher.step(join(1, 2), 0);
    dispatcher.step(fed(1, 3), 0);
    if (isCongested) dispatcher.step({ type: "congested", link: 1 }, 0);
    const nack = { type: "nacked", link: 1, delayMs: 5, error: null } as const;
    dispatcher.step({ ...nack, ranges: [{ first: 1, last: 1 }] }, 1);
    return sends(dispatcher.step({ type: "tick" }, 10));
  };
  assert.deepEqual([handed(false), handed(true)], [["1: 1-1 #2"], []]);
});

test("dispatcher: what turns out to be larger than the average of its batch takes more of the credit", () => {
  const handed = (weighs: boolean): number => {
    const dispatcher = start();
    dispatcher.step(join(1, 100, { bytesMax: 1_000 }), 0);
    dispatcher.step(fed(1, 2, 10), 0);
    // The first of them has most of the bytes of a long batch.
    if (weighs) dispatcher.weigh(1, { first: 1, last: 2 }, 500);
    dispatcher.step(fed(3, 50, 10), 0);
    return countAll(dispatcher.heldOf(1, { first: 1, last: 50 }));
  };
  assert.equal(handed(true), 2);
  assert.equal(handed(false), 50, "the credit had no room for them anyway");
});

test("dispatcher: what was in back-off when it was saved last may have been sent and done since, and can be claimed", () => {
  for (const isDone of [true, false]) {
    const backOff = { first: 1, last: 2, value: { attempts: 1, backOffMs: 10 } };
    const dispatcher = start({}, { backOffs: [backOff], receivers: ["r1"] }, 2);
    dispatcher.step(fed(1, 2), 0);
    const range = { first: 2, last: 2 };
    const claim = { held: isDone ? [] : [range], done: isDone ? [range] : [] };
    const actions = dispatcher.step({ ...join(1), ...claim } as DispatcherEvent, 1);
    assert.deepEqual(
      actions.filter(({ type }) => type === "revoked"),
      [],
    );
    const settled = actions.filter(({ type }) => type === "settled");
    assert.equal(settled.length, isDone ? 1 : 0);
    // It is sent to nobody else when its back-off is over.
    const later = dispatcher.step({ type: "tick" }, 20).filter(({ type }) => type === "send");
    assert.deepEqual(
      later.map((action) => action.type === "send" && [action.first, action.last, action.attempt]),
      [[1, 1, 2]],
    );
  }
});

/** The state of a process that ended while `r1` had 1-2 and 8-9 in its hands, and 3-7 were settled. */
const PASSED_OVER: Partial<DispatcherState> = {
  settled: [{ first: 3, last: 7 }],
  leased: [
    { first: 1, last: 2, value: 1 },
    { first: 8, last: 9, value: 1 },
  ],
  receivers: ["r1", "r2"],
};

test("dispatcher: after a restart nobody is to wait for what is settled, and not read again yet", () => {
  const dispatcher = start({}, PASSED_OVER, 9);
  dispatcher.step({ type: "tick" }, 31);
  const done = [{ first: 1, last: 2 }];
  const held = [{ first: 8, last: 9 }];
  const actions = dispatcher.step({ ...join(1), ...R1, held, done } as DispatcherEvent, 32);
  assert.equal(dispatcher.floor, 7);
  assert.deepEqual(
    actions.filter(({ type }) => type === "ordering"),
    [{ type: "ordering", link: 1, ordered: true, awaited: [] }],
  );
});

test("dispatcher: after a restart nobody is granted what is settled, and not read again yet", () => {
  const dispatcher = start({}, PASSED_OVER, 9);
  dispatcher.step({ ...join(1), ...R1, done: [{ first: 1, last: 2 }] } as DispatcherEvent, 1);
  const held = [{ first: 5, last: 6 }];
  const actions = dispatcher.step({ ...join(2), held } as DispatcherEvent, 2);
  assert.deepEqual(dispatcher.heldOf(2, { first: 1, last: 9 }), []);
  const told = actions.filter(({ type }) => type === "settledElsewhere" || type === "revoked");
  assert.deepEqual(
    told.map(({ type }) => type),
    ["revoked", "settledElsewhere"],
  );
  assert.equal(dispatcher.settledCount, 7);
});
