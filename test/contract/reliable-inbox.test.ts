import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeRemembered,
  INBOX_BYTES_MAX,
  InboxSlots,
} from "../../lib/delivery/saved/inbox-slots.ts";
import { BrokerlessError, type ErrorCode, Pull, Push } from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import { changed } from "../support/changed.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open, range } from "../support/fixtures.ts";

/** Streams that an inbox remembers (count). */
function remembered(inbox: Journal): number {
  return [...InboxSlots.names()].filter((name) => inbox.get(name) !== null).length;
}

test("inbox: senders in memory that came once and closed leave nothing behind", async (t) => {
  const inbox = new MemoryJournal();
  const receiver = open(t, new Pull<number>({ inbox }));
  const address = await receiver.bind("tcp://127.0.0.1:*");
  void receiver.run(() => {});
  for (const value of range(20)) {
    const sender = open(t, new Push<number>({ reliable: true }));
    sender.connect(address);
    await sender.send(value, { confirm: "processed" });
    await sender.close();
  }
  await eventually(() => assert.equal(remembered(inbox), 0));
});

test("inbox: senders with a journal, who may come back, are remembered (control)", async (t) => {
  const inbox = new MemoryJournal();
  const receiver = open(t, new Pull<number>({ inbox }));
  const address = await receiver.bind("tcp://127.0.0.1:*");
  void receiver.run(() => {});
  for (const value of range(5)) {
    const sender = open(t, new Push<number>({ journal: new MemoryJournal() }));
    sender.connect(address);
    await sender.send(value, { confirm: "processed" });
    await sender.close();
  }
  await eventually(() => assert.equal(receiver.stats().peers, 0));
  assert.equal(remembered(inbox), 5);
});

/** An inbox that refuses to remember anything for as long as it is told so. */
function failing(code: ErrorCode): { readonly inbox: Journal; isFailing: boolean; tries: number } {
  const journal = new MemoryJournal();
  const state = { inbox: journal as Journal, isFailing: false, tries: 0 };
  state.inbox = changed(journal, {
    set: (values) => {
      if (!state.isFailing) return journal.set(values);
      state.tries += 1;
      return Promise.reject(new BrokerlessError(code, "no")) as unknown as Appended;
    },
  });
  return state;
}

test("inbox: one whose disk was full is used again when there is room", async (t) => {
  const state = failing("BROKERLESS_NO_SPACE");
  const sender = open(t, new Push<number>({ reliable: true, graceMs: 60_000 }));
  const receiver = open(t, new Pull<number>({ inbox: state.inbox }));
  const errors = { sender: errorsOf(sender), receiver: errorsOf(receiver) };
  await wireOf(t, "tcp").join(sender, receiver);
  let begun = 0;
  void receiver.run(() => begun++);
  await sender.send(0, { confirm: "processed" });
  state.isFailing = true;
  const sent = sender.send(1, { confirm: "processed" });
  // The session is begun anew, and cannot.
  await eventually(() => assert.ok(state.tries >= 3));
  assert.equal(sender.stats().queuedMessages, 1, "said before it was remembered");
  assert.deepEqual(
    errors.receiver.map(({ code }) => code),
    ["BROKERLESS_NO_SPACE"],
    "told once",
  );
  assert.match(errors.sender[0]?.message ?? "", /cannot remember what it has done/);
  state.isFailing = false;
  await sent;
  assert.equal(begun, 2, "nothing was done again");
});

test("inbox: one that has failed for good is not asked again, and takes no work", async (t) => {
  const state = failing("BROKERLESS_JOURNAL_FAILED");
  const sender = open(t, new Push<number>({ reliable: true, graceMs: 10 }));
  const receiver = open(t, new Pull<number>({ inbox: state.inbox }));
  const errors = errorsOf(receiver);
  const address = await wireOf(t, "tcp").join(sender, receiver);
  let begun = 0;
  void receiver.run(() => begun++);
  state.isFailing = true;
  void sender.send(1);
  await eventually(() => assert.deepEqual([sender.stats().peers, errors.length], [0, 1]));
  receiver.disconnect(address);
  receiver.connect(address);
  await eventually(() => assert.match(errors.at(-1)?.message ?? "", /inbox has failed/));
  assert.deepEqual([begun, sender.stats().queuedMessages, sender.stats().peers], [1, 1, 0]);
});

test("inbox: at its bound new streams are refused on both sides, and known ones go on", async (t) => {
  const inbox = new MemoryJournal();
  const known = open(t, new Push<number>({ journal: new MemoryJournal() }));
  const first = open(t, new Pull<number>({ inbox }));
  await wireOf(t, "tcp").join(first, known);
  void first.run(() => {});
  await known.send(1, { confirm: "processed" });
  await first.close();
  assert.equal(remembered(inbox), 1);
  await inbox.set(fillings());
  const receiver = open(t, new Pull<number>({ inbox }));
  const stranger = open(t, new Push<number>({ reliable: true }));
  const errors = [errorsOf(receiver), errorsOf(stranger)];
  await wireOf(t, "tcp").join(receiver, known);
  void receiver.run(() => {});
  await known.send(2, { confirm: "processed" });
  stranger.connect(await receiver.bind("tcp://127.0.0.1:*"));
  void stranger.send(3);
  for (const each of errors) {
    await eventually(() => assert.match(each[0]?.message ?? "", /no room for new streams/));
  }
  await known.send(4, { confirm: "processed" });
  assert.equal(stranger.stats().queuedMessages, 1);
});

/** What fills an inbox: streams of senders that may come back, and of which much was done. */
function fillings(): Record<string, Buffer> {
  const done = range(4_000).map((index) => ({ first: index * 2 + 1, last: index * 2 + 1 }));
  const timeS = Math.floor(Date.now() / 1_000);
  const values: Record<string, Buffer> = {};
  for (let bytes = 0, slot = 1; bytes < INBOX_BYTES_MAX; slot++) {
    const state = { incarnations: [], floor: 0, done };
    const value = encodeRemembered({ key: `s${slot}`, isTransient: false, timeS, state });
    values[`in-${slot}`] = value;
    bytes += value.length;
  }
  return values;
}
