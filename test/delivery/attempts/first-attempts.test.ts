import assert from "node:assert/strict";
import { test } from "node:test";
import { Dispatcher } from "../../../lib/delivery/dispatch/dispatcher.ts";
import type {
  DispatcherEvent,
  DispatcherState,
} from "../../../lib/delivery/dispatch/dispatcher-events.ts";
import { DISPATCHER_STATE_EMPTY } from "../../../lib/delivery/dispatch/dispatcher-start.ts";

const OPTIONS = {
  leaseMs: 1_000_000,
  graceMs: 0,
  attemptsMax: 2,
  retryMs: 10,
  retryMsMax: 10,
  order: "none",
  exclusive: false,
  deadLettersMax: 1_000_000,
} as const;
const CREDIT = { prefetch: 1_000_000, prefetchBytesMax: Number.MAX_SAFE_INTEGER };

/** A dispatcher with one receiver, which has `count` messages. */
class Trial {
  readonly #dispatcher: Dispatcher;
  #nowMs = 0;

  constructor(count: number, state: DispatcherState = DISPATCHER_STATE_EMPTY) {
    const start = { state, seqBefore: 0, nowMs: 0, random: () => 0, timeMs: () => this.#nowMs };
    this.#dispatcher = new Dispatcher(OPTIONS, start);
    this.join(0, 1);
    this.at(0, { type: "fed", first: 1, last: count, bytes: count });
  }

  join(nowMs: number, link: number): void {
    const who = { link, receiver: `r${link}`, incarnation: `${link}`, held: [], done: [] };
    this.at(nowMs, { type: "joined", ...who, ...CREDIT });
  }

  at(nowMs: number, event: DispatcherEvent): void {
    this.#nowMs = nowMs;
    this.#dispatcher.step(event, nowMs);
  }

  /** A word of a receiver on messages. */
  say(
    nowMs: number,
    type: "acked" | "begun" | "released",
    [first, last]: readonly [number, number],
    link = 1,
  ): void {
    const ranges = [{ first, last }];
    this.at(
      nowMs,
      type === "begun" ? { type, link, ranges, wantsGo: false } : { type, link, ranges },
    );
  }

  nack(nowMs: number, seq: number, link = 1): void {
    const ranges = [{ first: seq, last: seq }];
    this.at(nowMs, { type: "nacked", link, ranges, delayMs: 0, error: null });
  }

  get state(): DispatcherState {
    return this.#dispatcher.state();
  }

  get firsts(): [number, number, number][] {
    return this.state.firsts.map(({ first, last, value }) => [first, last, value]);
  }

  firstOf(seq: number): number | null | undefined {
    return this.#dispatcher.deathOf(seq)?.firstMs;
  }
}

test("first attempts: the first word that a handler has begun counts, and no later one", () => {
  const trial = new Trial(10);
  trial.say(5, "begun", [1, 2]);
  trial.say(7, "begun", [1, 3]);
  assert.deepEqual(trial.firsts, [
    [1, 2, 5],
    [3, 3, 7],
  ]);
  trial.nack(9, 1);
  trial.say(11, "begun", [1, 1]);
  trial.nack(13, 1);
  assert.equal(trial.firstOf(1), 5);
});

test("first attempts: an answer in the turn of the dispatch is a word too", () => {
  const trial = new Trial(10);
  trial.nack(4, 2);
  trial.nack(6, 2);
  assert.equal(trial.firstOf(2), 4);
  const ranges = [{ first: 3, last: 3 }];
  trial.at(8, { type: "rejected", link: 1, ranges, reason: "no", error: null });
  assert.equal(trial.firstOf(3), 8);
});

test("first attempts: of a receiver that dies without an answer the first word counts", () => {
  const trial = new Trial(3);
  trial.say(5, "begun", [1, 1]);
  trial.at(20, { type: "left", link: 1 });
  trial.join(30, 2);
  trial.say(35, "begun", [1, 1], 2);
  trial.at(40, { type: "left", link: 2 });
  assert.equal(trial.firstOf(1), 5);
});

test("first attempts: what is given back untouched has had none", () => {
  const trial = new Trial(3);
  trial.say(5, "begun", [1, 1]);
  trial.say(6, "released", [1, 1]);
  assert.deepEqual(trial.firsts, []);
  trial.join(7, 2);
  trial.nack(8, 1, 2);
  trial.nack(9, 1, 2);
  assert.equal(trial.firstOf(1), 8);
});

test("first attempts: what is settled is forgotten, and memory is bounded", () => {
  const trial = new Trial(100_000);
  for (let seq = 1; seq <= 100_000; seq += 2) trial.say(seq, "begun", [seq, seq]);
  const { state } = trial;
  assert.equal(state.firsts.length, 4_096);
  const next = new Trial(100_000, { ...DISPATCHER_STATE_EMPTY, firsts: state.firsts });
  assert.deepEqual(next.state.firsts, state.firsts);
  // What had no room is not known, whatever comes later.
  trial.say(200_000, "acked", [1, 90_000]);
  assert.deepEqual(trial.firsts, []);
  trial.nack(200_001, 99_999);
  trial.nack(200_002, 99_999);
  assert.equal(trial.firstOf(99_999), null);
  trial.nack(200_003, 99_998);
  trial.nack(200_004, 99_998);
  assert.equal(trial.firstOf(99_998), 200_003, "that one was not begun before");
});
