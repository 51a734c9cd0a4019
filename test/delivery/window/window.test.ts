import assert from "node:assert/strict";
import { test } from "node:test";
import type { Incarnation } from "../../../lib/delivery/protocol/incarnations.ts";
import type { SeqRange } from "../../../lib/delivery/range/range.ts";
import { Window } from "../../../lib/delivery/window/window.ts";
import type { WindowEvent } from "../../../lib/delivery/window/window-events.ts";
import { integerFrom } from "../../support/env.ts";
import { Random } from "../../support/random.ts";
import { WindowModel } from "../window-model.ts";

const SEED = integerFrom("SEED", Math.floor(Math.random() * 2 ** 30));
const RUNS = 300;
const STEPS = 120;
const SEQ_MAX = 24;

function seqsOf(ranges: readonly SeqRange[]): number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}

/** A window and its model, played the same events. */
class Pair {
  readonly window = new Window<null>(null);
  readonly model = new WindowModel();
  readonly #random: Random;
  #acks = 0;
  #floor = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.window.step({ type: "opened", floor: 0, incarnations: [] });
  }

  step(): void {
    const roll = this.#random.next();
    if (roll < 0.25) this.#next();
    else if (roll < 0.35) this.#ack();
    else this.#apply(this.#event(roll));
    this.#compare();
  }

  #apply(event: WindowEvent<null>): void {
    this.window.step(event);
    this.model.apply(event);
  }

  #event(roll: number): WindowEvent<null> {
    const { first, last } = this.#range();
    if (roll < 0.55) return { type: "data", first, last, attempt: 1, guarded: false, batch: null };
    if (roll < 0.7) return { type: "done", ...this.#held() };
    if (roll < 0.76) return { type: "returned", ...this.#held() };
    if (roll < 0.79) return { type: "rejected", ...this.#held() };
    if (roll < 0.86) return { type: "revoked", ranges: [{ first, last }] };
    if (roll < 0.9) return { type: "settled", ranges: [{ first, last }] };
    if (roll < 0.95) {
      const awaited = this.#random.chance(0.3) ? [this.#range()] : [];
      return { type: "ordering", ordered: this.#random.chance(0.6), awaited };
    }
    if (this.#random.chance(0.2)) this.#floor = Math.min(this.#floor + 1, SEQ_MAX - 8);
    return { type: "progress", acks: this.#random.below(this.#acks + 1), floor: this.#settledTo() };
  }

  /** The floor passes nothing that is still somewhere. */
  #settledTo(): number {
    const open = this.model.where(({ place }) => place !== "away")[0] ?? SEQ_MAX;
    this.#floor = Math.min(this.#floor, open - 1);
    return this.#floor;
  }

  #range(): SeqRange {
    const first = this.#floor + 1 + this.#random.below(SEQ_MAX - this.#floor);
    return { first, last: Math.min(SEQ_MAX, first + this.#random.below(5)) };
  }

  /** A message in the application's hands; where there is none, one that is nowhere. */
  #held(): SeqRange {
    const held = this.model.where(({ place }) => place === "hand" || place === "orphan");
    const seq = held[this.#random.below(held.length)] ?? SEQ_MAX + 1;
    return { first: seq, last: seq };
  }

  #next(): void {
    const count = 1 + this.#random.below(4);
    const { next } = this.model;
    const item = this.window.next(count);
    assert.equal(item?.first ?? null, next, "the lowest that may be delivered");
    if (item === null) return;
    assert.ok(item.last >= item.first && item.last < item.first + count, "as many as asked for");
    for (let seq = item.first; seq <= item.last; seq++) {
      const message = this.model.of(seq);
      assert.equal(message.place, "waiting", `${seq} was not waiting`);
      assert.ok(!message.isAwaited, `${seq} is awaited`);
      message.place = "hand";
    }
  }

  #ack(): void {
    const said = seqsOf(this.window.takeAck(1 + this.#random.below(3)));
    const unsent = this.model.where(({ isUnsent }) => isUnsent);
    assert.deepEqual(said, unsent.slice(0, said.length), "the lowest that are unsent");
    assert.ok(said.length > 0 || unsent.length === 0, "something is said");
    if (said.length === 0) return;
    this.model.said(said);
    this.#acks += 1;
  }

  #compare(): void {
    const { window, model } = this;
    const waiting = model.where(({ place }) => place === "waiting");
    assert.deepEqual(seqsOf(window.waiting()), waiting, "waiting");
    assert.equal(window.waitingCount, waiting.length, "waitingCount");
    const unacked = model.where(({ place }) => place === "hand");
    assert.deepEqual(seqsOf(window.unacked()), unacked, "unacked");
    assert.deepEqual(
      seqsOf(window.state().done),
      model.where(({ isDone }) => isDone),
      "done",
    );
    assert.equal(window.unsentCount, model.where(({ isUnsent }) => isUnsent).length, "unsent");
    const rejected = seqsOf(window.rejectedOf(1, SEQ_MAX));
    assert.deepEqual(
      rejected,
      model.where(({ isRejected }) => isRejected),
      "rejected",
    );
    assert.equal(window.ordered, model.ordered);
  }
}

test(`window: does what its model does, whatever happens (seeds ${SEED} and on)`, () => {
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const pair = new Pair(seed);
    for (let step = 0; step < STEPS; step++) {
      try {
        pair.step();
      } catch (error) {
        (error as Error).message += ` (seed ${seed}, step ${step})`;
        throw error;
      }
    }
  }
});

test("window: answers to messages of an incarnation that is over do not count for those that have their seqs now", () => {
  const window = new Window<null>(null);
  const lives = [life(1, 1), life(2, 3), life(3, 5)];
  window.step({ type: "opened", floor: 0, incarnations: lives.slice(0, 1) });
  window.step({ type: "data", first: 1, last: 6, attempt: 1, guarded: false, batch: null });
  window.next(6);
  window.step({ type: "done", first: 4, last: 4 });
  window.step({ type: "opened", floor: 0, incarnations: lives.slice(0, 2) });
  assert.deepEqual(window.takeVoid(), [{ first: 3, last: 6 }]);
  window.step({ type: "data", first: 3, last: 6, attempt: 1, guarded: false, batch: null });
  assert.equal(window.next(9)?.first, 3);
  window.step({ type: "opened", floor: 0, incarnations: lives });
  assert.deepEqual(window.takeVoid(), [{ first: 5, last: 6 }]);
  assert.equal(window.heldOf(1, 6)[0]?.last, 4);
  assert.deepEqual([window.unackedCount, window.claim(9).done], [4, []]);
  assert.deepEqual(window.valid({ first: 1, last: 6 }, 0), { first: 1, last: 2 });
  assert.deepEqual(window.valid({ first: 3, last: 6 }, 1), { first: 3, last: 4 });
  assert.deepEqual(window.valid({ first: 3, last: 6 }, 2), { first: 3, last: 6 });
  assert.equal(window.valid({ first: 4, last: 4 }, 0), null);
});

test("window: what is settled above the place where history parts is void too, and is told once", () => {
  const [one, two, other] = [life(1, 1), life(2, 6), life(2, 4, "b")];
  const window = new Window<null>({
    incarnations: [one, two],
    floor: 5,
    done: [{ first: 7, last: 8 }],
  });
  window.step({ type: "opened", floor: 2, incarnations: [one, other] });
  assert.deepEqual(window.takeVoid(), [
    { first: 4, last: 5 },
    { first: 7, last: 8 },
  ]);
  assert.deepEqual(window.takeVoid(), []);
  assert.deepEqual(window.state(), { incarnations: [one, other], floor: 3, done: [] });
});

test("window: a life that goes on where the one before ended makes nothing void", () => {
  const [one, two] = [life(1, 1), life(2, 6)];
  const window = new Window<null>({ incarnations: [one], floor: 2, done: [{ first: 4, last: 5 }] });
  window.step({ type: "opened", floor: 2, incarnations: [one, two] });
  assert.deepEqual(window.takeVoid(), []);
  assert.deepEqual(window.claim(9).done, window.state().done);
  assert.equal(window.state().done[0]?.last, 5);
});

function life(epoch: number, seqFirst: number, digit = "a"): Incarnation {
  return { epoch, seqFirst, id: digit.repeat(32) };
}
