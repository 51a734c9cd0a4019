import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dispatcher } from "../../../../lib/delivery/dispatch/dispatcher.ts";
import { BrokerlessError } from "../../../../lib/errors.ts";
import type { Appended } from "../../../../lib/journal/commit/appended.ts";
import type { Values } from "../../../../lib/journal/journal.ts";
import { MemoryJournal } from "../../../../lib/journal/memory-journal.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../../../lib/reliable/reliable-options.ts";
import { STATE_NAME } from "../../../../lib/reliable/saved-values.ts";
import { restoreDispatcher } from "../../../../lib/reliable/sender/saved/restored-state.ts";
import { StateWriter } from "../../../../lib/reliable/sender/saved/state-writer.ts";
import { SenderIncarnations } from "../../../../lib/reliable/sender-incarnations.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** A writer whose journal has room for some states, or for none, and what is told of that. */
class Writing {
  readonly told: string[] = [];
  readonly order: string[] = [];
  /** States that are refused from now on (count). */
  refusals = 0;
  code: "BROKERLESS_TOO_LARGE" | "BROKERLESS_NO_SPACE" = "BROKERLESS_TOO_LARGE";
  readonly dispatcher: Dispatcher;
  readonly writer: StateWriter;

  constructor() {
    const journal = new MemoryJournal();
    const clock = new ManualClock();
    const given = { rules: RELIABLE_SEND_DEFAULTS, clock, random: () => 0.5 };
    this.dispatcher = restoreDispatcher(journal, 1, given).dispatcher;
    this.writer = new StateWriter({
      journal: { set: (values) => this.#set(values) as unknown as Appended },
      clock,
      dispatcher: this.dispatcher,
      incarnations: new SenderIncarnations(journal, "e".repeat(32)),
      saveFirst: () => this.order.push("first"),
      onFailed: ({ code }) => this.told.push(code),
    });
  }

  async #set(values: Values): Promise<void> {
    assert.ok(STATE_NAME in values);
    this.order.push("state");
    if (this.refusals === 0) return;
    this.refusals -= 1;
    throw new BrokerlessError(this.code, "refused");
  }
}

test("state writer: what has to be stored before the state is, each time", async () => {
  const { writer, order } = new Writing();
  await writer.write();
  await writer.write();
  assert.deepEqual(order, ["first", "state", "first", "state"]);
});

test("state writer: a state that is too large is written smaller, and that is told once until all fits again", async () => {
  const writing = new Writing();
  const { writer, told } = writing;
  for (let saves = 0; saves < 3; saves++) {
    writing.refusals = 1;
    await writer.write();
  }
  assert.deepEqual(told, ["BROKERLESS_FULL"]);
  // After so many it is tried whether there is room again.
  for (let saves = 0; saves < 64; saves++) await writer.write();
  writing.refusals = 1;
  await writer.write();
  assert.deepEqual(told, ["BROKERLESS_FULL", "BROKERLESS_FULL"]);
});

test("state writer: one that cannot be made smaller is not tried for ever, and what else fails not again", async () => {
  const writing = new Writing();
  writing.refusals = Number.POSITIVE_INFINITY;
  await assert.rejects(writing.writer.write(), { code: "BROKERLESS_TOO_LARGE" });
  assert.ok(writing.order.length < 20);
  const other = new Writing();
  other.refusals = Number.POSITIVE_INFINITY;
  other.code = "BROKERLESS_NO_SPACE";
  await assert.rejects(other.writer.write(), { code: "BROKERLESS_NO_SPACE" });
  assert.deepEqual(other.order, ["first", "state"]);
  assert.deepEqual(other.told, []);
});

test("state writer: a sender that ends in order has tried nothing that is dispatched", async () => {
  const { writer, dispatcher } = new Writing();
  const receiver = { receiver: "r", incarnation: "", prefetch: 9, prefetchBytesMax: 9_000 };
  const claim = { congested: false, held: [], done: [] };
  dispatcher.step({ type: "fed", first: 1, last: 2, bytes: 100 }, 1_000);
  dispatcher.step({ type: "joined", link: 1, ...receiver, ...claim }, 1_000);
  await writer.write();
  assert.equal(writer.hasLeased, true);
  writer.end();
  await writer.write();
  assert.equal(writer.hasLeased, false);
});
