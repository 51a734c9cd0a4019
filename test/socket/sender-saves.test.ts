import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { Pull, Push, raw } from "../../lib/index.ts";
import { type Journal, MemoryJournal } from "../../lib/journal/index.ts";
import type { Values } from "../../lib/journal/journal.ts";
import { readIncarnations } from "../../lib/reliable/sender-incarnations.ts";
import { changed } from "../support/changed.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ReliablePair } from "../support/reliable-pair.ts";
import { World } from "../support/world.ts";

const REST_MS = 60_000;

for (const isKilled of [true, false]) {
  const end = isKilled ? "is killed" : "is closed in order";
  test(`saves: a back-off goes on when its sender ${end}`, async () => {
    const journal = new MemoryJournal();
    const clock = new ManualClock();
    let tries = 0;
    const handle = (_: string, delivery: { nack(options: { delayMs: number }): void }) => {
      tries += 1;
      delivery.nack({ delayMs: REST_MS });
    };
    const first = new ReliablePair(journal, handle, { clock });
    first.send("not before a minute");
    await first.until(() => assert.equal(tries, 1));
    if (isKilled) await first.pass(50);
    else await first.sender.links.stateStore.end();
    first.kill();
    const second = new ReliablePair(journal, handle, { clock });
    await second.pass(REST_MS - 1_000);
    assert.equal(tries, 1, "it came again too early");
    await second.pass(2_500);
    assert.equal(tries, 2);
    second.kill();
  });
}

test("saves: with most of the named values taken acknowledgements are saved, told once, and all of it when there is room", async () => {
  const journal = new MemoryJournal();
  await journal.set({ other: Buffer.alloc(1_000_000) });
  const handle = (text: string, delivery: { reject(reason: string): void; ack(): void }) => {
    if (text.startsWith("live")) delivery.ack();
    else delivery.reject(`${text} ${"x".repeat(500)}`);
  };
  const first = new ReliablePair(journal, handle);
  const { dispatcher, stateStore } = first.sender.links;
  for (let index = 0; index < 300; index++) first.send(`bad ${index}`);
  await first.until(() => {
    assert.equal(dispatcher.floor, 300);
    assert.equal(stateStore.floor, 300, "what is settled is not saved");
  });
  assert.deepEqual(
    first.errors.map(({ code }) => code),
    ["BROKERLESS_FULL"],
  );
  await journal.set({ other: null });
  for (let index = 0; index < 80; index++) {
    first.send(`live ${index}`);
    await first.until(() => assert.equal(stateStore.floor, 301 + index));
  }
  first.kill();
  const second = new ReliablePair(journal, handle);
  const reasons = [];
  for await (const { reason } of second.sender.deadLetters) reasons.push(reason.length);
  assert.equal(reasons.length, 300);
  assert.ok(
    reasons.every((length) => length > 500),
    "reasons are still cut",
  );
  second.kill();
});

for (const code of ["BROKERLESS_NO_SPACE", "BROKERLESS_TOO_LARGE"] as const) {
  test(`saves: what cannot be saved is tried again, less and less often, and is saved in the end (${code})`, async () => {
    const memory = new MemoryJournal();
    let isFull = false;
    let tries = 0;
    const set = (values: Values) => {
      if (!isFull) return memory.set(values);
      tries += 1;
      return Promise.reject(new BrokerlessError(code, "no room"));
    };
    const pair = new ReliablePair(changed(memory, { set: set as Journal["set"] }), (_, delivery) =>
      delivery.ack(),
    );
    const { stateStore } = pair.sender.links;
    pair.send("first");
    await pair.until(() => assert.equal(stateStore.floor, 1));
    isFull = true;
    pair.send("second");
    await pair.pass(20_000);
    assert.equal(stateStore.floor, 1);
    // With what is smaller each time, where that may help: seven of them for each try.
    assert.ok(tries > 10 && tries < 25 * 7, `${tries} tries`);
    const told = pair.errors.filter((error) => error.code === code);
    assert.equal(told.length, 1, "told once until it passes");
    isFull = false;
    await pair.pass(3_000);
    assert.equal(stateStore.floor, 2);
    pair.kill();
  });
}

test("saves: however many are in a hurry, what cannot be saved is tried once", async () => {
  const memory = new MemoryJournal();
  let tries = 0;
  const set = () => {
    tries += 1;
    return Promise.reject(new BrokerlessError("BROKERLESS_NO_SPACE", "no room"));
  };
  const pair = new ReliablePair(
    changed(memory, { set: set as unknown as Journal["set"] }),
    () => {},
  );
  const { stateStore } = pair.sender.links;
  // The list of lives is the first.
  assert.equal(tries, 1);
  stateStore.markDirty();
  await Promise.all(Array.from({ length: 1_000 }, () => stateStore.hurry()));
  assert.equal(tries, 2);
  assert.equal(pair.errors.length, 1);
  pair.kill();
});

for (const step of ["hold", "truncateBefore"] as const) {
  test(`saves: what could not be freed is freed later, though nothing more is settled (${step})`, async () => {
    const memory = new MemoryJournal();
    let failures = 0;
    let isFull = true;
    const fail = () => {
      failures += 1;
      return Promise.reject(new BrokerlessError("BROKERLESS_NO_SPACE", "no room"));
    };
    const change =
      step === "hold"
        ? {
            hold: (name: string, seq: number) =>
              seq > 1 && isFull ? fail() : memory.hold(name, seq),
          }
        : {
            truncateBefore: (seq: number) => (isFull ? fail() : memory.truncateBefore(seq)),
          };
    const pair = new ReliablePair(changed(memory, change), (_, delivery) => delivery.ack());
    for (let index = 0; index < 10; index++) pair.send(`${index}`);
    await pair.pass(10_000);
    assert.ok(failures > 5 && failures < 15, `${failures} tries`);
    assert.equal(pair.errors.length, 1, "told once until it passes");
    isFull = false;
    await pair.pass(3_000);
    assert.equal(memory.seqFirst, 11, "it is kept for good");
    pair.kill();
  });
}

test("lives: behind one that wrote no message the list is stored with the first message, not before", async () => {
  const journal = new MemoryJournal();
  const start = () => new ReliablePair(journal, () => {});
  const numbers = () => readIncarnations(journal).map(({ epoch }) => epoch);
  const first = start();
  first.send("first");
  await eventually(() => assert.equal(journal.seqStored, 1));
  first.kill();
  const second = start();
  await eventually(() => assert.deepEqual(numbers(), [1, 2]));
  second.kill();
  const third = start();
  await journal.sync();
  assert.deepEqual(numbers(), [1, 2]);
  third.send("second");
  assert.equal(journal.seqStored, 1);
  await eventually(() => assert.equal(journal.seqStored, 2));
  assert.deepEqual(numbers(), [1, 3]);
  third.kill();
});

test("saves: that there is no room for dead letters is told now and then, not for each", async () => {
  const pair = new ReliablePair(new MemoryJournal(), (_, delivery) => delivery.reject("no"), {
    rules: { deadLettersMax: 5, retryMsMax: 50 },
  });
  for (let index = 0; index < 200; index++) pair.send(`${index}`);
  await pair.pass(3_000);
  assert.equal(pair.sender.deadLetters.count, 5);
  const told = pair.errors.filter(({ code }) => code === "BROKERLESS_FULL").length;
  assert.ok(told >= 2 && told <= 4, `told ${told} times`);
  assert.match(pair.errors[0]!.message, /^5 dead letters are kept.*deadLettersMax/);
  pair.kill();
});

test("dead letters: sent anew twice and purged at the same time, each has one end, and each call counts what it did", async () => {
  const taken: string[] = [];
  let isRejecting = true;
  const pair = new ReliablePair(new MemoryJournal(), (text, delivery) => {
    if (isRejecting) delivery.reject("no");
    else {
      taken.push(text);
      delivery.ack();
    }
  });
  const { deadLetters } = pair.sender;
  const letters = Array.from({ length: 40 }, (_, index) => `letter ${index}`);
  for (const text of letters) pair.send(text);
  await pair.until(() => assert.equal(deadLetters.count, 40));
  isRejecting = false;
  const some = [1, 5, 9];
  const calls = [
    deadLetters.requeue(),
    deadLetters.purge(some),
    deadLetters.requeue(),
    deadLetters.purge(),
    deadLetters.requeue([2, 5]),
  ];
  let counts: number[] | null = null;
  void Promise.all(calls).then((all) => {
    counts = all;
  });
  await pair.until(() => assert.ok(counts !== null));
  await pair.pass(200);
  const [anew, purged, anewToo, purgedToo, last] = counts!;
  assert.equal(deadLetters.count, 0);
  assert.equal(anew! + purged! + anewToo! + purgedToo! + last!, 40, `${counts}`);
  assert.equal(taken.length, anew! + anewToo! + last!, "what was sent anew came, once");
  assert.equal(new Set(taken).size, taken.length);
  pair.kill();
});

test("dead letters: a close waits for the copies of dead letters that are under way", async (t) => {
  const world = new World(t);
  const memory = new MemoryJournal();
  let release: (() => void) | null = null;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isCopying = false;
  const appendDraft: Journal["appendDraft"] = (draft, options) => {
    const appended = memory.appendDraft(draft, options);
    // Only copies of dead letters are stored together with the state.
    if (options?.values?.delivery == null) return appended;
    isCopying = true;
    return held.then(() => appended) as unknown as typeof appended;
  };
  const journal = changed(memory, { appendDraft });
  const push = world.socket(new Push<Uint8Array>({ journal, codec: raw() }));
  const pull = world.socket(new Pull<Uint8Array>({ reliable: true, codec: raw() }));
  const address = `inproc://close-${process.pid}`;
  await push.bind(address);
  pull.connect(address);
  void (async () => {
    const deliveries = [];
    for await (const delivery of pull.deliveries()) {
      if (delivery.seq > 1) delivery.ack();
      deliveries.push(delivery);
      if (deliveries.length === 60) deliveries[0]!.reject("it kills");
    }
  })();
  for (let index = 0; index < 60; index++) await push.send(Buffer.alloc(40_000, index));
  await eventually(() => assert.ok(isCopying, "no copy is under way"));
  await eventually(() => assert.equal(push.stats().queuedMessages, 0, "not all acks are there"));
  let isClosed = false;
  const closed = push.close().then(() => {
    isClosed = true;
  });
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!isClosed, "it is closed before the copy is stored");
  release!();
  await closed;
  const again = world.socket(new Push<Uint8Array>({ journal: memory, codec: raw() }));
  assert.equal(again.deadLetters.count, 1);
  assert.equal(again.stats().queuedMessages, 0, "a copy is a message");
});

test("saves: a state that another version wrote is refused, and not taken for none", async () => {
  const journal = new MemoryJournal();
  await journal.set({ delivery: Buffer.from([2, 1, 1, 0, 0, 0, 0]) });
  // The second time too: the journal is not taken by the first.
  for (let times = 0; times < 2; times++) {
    const expected = { code: "BROKERLESS_VERSION", message: /version 2/ };
    assert.throws(() => new Push({ journal }), expected);
  }
});

const FREEING = { bytes: 4_096, heldTimes: 8, copyBytes: 2_000 };

for (const isKilled of [true, false]) {
  const end = isKilled ? "is killed" : "is closed in order";
  test(`saves: a sender that ${end} again and again frees what it has processed, however little in each life`, async () => {
    const journal = new MemoryJournal();
    let left = 0;
    const handle = (_: string, delivery: { ack(): void }) => {
      left -= 1;
      if (left < 0) return new Promise(() => {});
      delivery.ack();
      return null;
    };
    let processed = 0;
    for (let life = 0; life < 10; life++) {
      left = life === 0 ? 0 : 8;
      const pair = new ReliablePair(journal, handle, { freeing: FREEING });
      for (let sends = 0; life === 0 && sends < 120; sends++) {
        pair.send("x".repeat(300));
        await pair.pass(10);
      }
      const { stateStore } = pair.sender.links;
      if (life > 0) processed += 8;
      await pair.until(() => assert.equal(stateStore.floor, processed));
      if (!isKilled) await stateStore.end();
      pair.kill();
    }
    assert.equal(processed, 72);
    const kept = journal.seqStored + 1 - journal.seqFirst;
    assert.ok(kept <= 120 - processed + 16, `${kept} messages of ${120 - processed} are kept`);
  });
}

for (const isRestarted of [false, true]) {
  const when = isRestarted ? ", after a restart too" : "";
  test(`saves: what dead letters hold back is freed when they are purged, one after the other${when}`, async () => {
    const journal = new MemoryJournal();
    const freeing = { ...FREEING, heldTimes: 1_000 };
    let taken = 0;
    const handle = (_: string, delivery: { reject(reason: string): void; ack(): void }) => {
      taken += 1;
      if (taken === 1 || taken === 3) delivery.reject("no");
      else delivery.ack();
    };
    let pair = new ReliablePair(journal, handle, { freeing });
    for (let sends = 1; sends <= 80; sends++) {
      pair.send("x".repeat(300));
      await pair.until(() => assert.equal(pair.sender.links.stateStore.floor, sends));
    }
    assert.equal(journal.seqFirst, 1);
    if (isRestarted) {
      pair.kill();
      pair = new ReliablePair(journal, handle, { freeing });
    }
    for (const seq of [1, 3]) {
      const purged = pair.sender.deadLetters.purge([seq]);
      await pair.pass(100);
      assert.equal(await purged, 1);
    }
    assert.equal(journal.seqFirst, 81, "what was behind them is kept");
    pair.kill();
  });
}
