import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  BrokerlessError,
  Pull,
  Push,
  type ReliablePush,
  type ReliablePushOptions,
  type SendOptions,
} from "../../lib/index.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { type Journal, MemoryJournal, type Values } from "../../lib/journal/index.ts";
import { decodeIdPage, encodeIdPage } from "../../lib/reliable/outbound/id-page.ts";
import { changed } from "../support/changed.ts";
import { eventually, turn } from "../support/eventually.ts";
import { gate, range } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const ID: SendOptions = { deduplicationId: "order 17" };

/** How each of some calls ended, as far as they have. */
function outcomes(calls: readonly Promise<void>[]): string[] {
  const said = calls.map(() => "open");
  calls.forEach((call, index) => {
    const told = (text: string) => {
      said[index] = text;
    };
    call.then(
      () => told("done"),
      (error) => told(error.code ?? String(error)),
    );
  });
  return said;
}

/** A sender in memory or with a journal, and what its journal stored. */
function sender(t: TestContext, options?: Omit<ReliablePushOptions<string>, "reliable">) {
  const world = new World(t);
  const journal = options?.journal ?? new MemoryJournal();
  const push = world.socket(new Push<string>({ ...options, journal }));
  const receive = async (handler: (value: string) => "ack" | "reject" = () => "ack") => {
    const got: string[] = [];
    const pull = world.socket(new Pull<string>({ reliable: true }));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    void pull.run((value, delivery) => {
      got.push(value);
      if (handler(value) === "reject") delivery.reject("no");
    });
    return { got, pull };
  };
  return { push, journal, receive };
}

/** A schema whose checks end when the test says so. */
function slowSchema() {
  const checked = gate();
  const validate = async (value: unknown) => {
    await checked.promise;
    return { value };
  };
  return { checked, schema: { "~standard": { version: 1, vendor: "test", validate } } as never };
}

test("send: a repeated id resolves with the level that it asks for, of the first message", async (t) => {
  const { push, journal, receive } = sender(t);
  await push.send("first", ID);
  const levels = ["queued", "stored", "delivered", "processed"] as const;
  const said = outcomes(levels.map((confirm) => push.send("again", { ...ID, confirm })));
  await turn();
  await turn();
  assert.deepEqual(said, ["done", "done", "open", "open"]);
  const { got } = await receive();
  await eventually(() => assert.deepEqual(said, ["done", "done", "done", "done"]));
  assert.deepEqual([got, journal.seqStored], [["first"], 1]);
});

test("send: a repeated id rejects as the first message did, while that is on its way and later", async (t) => {
  const { push, journal, receive } = sender(t);
  await receive(() => "reject");
  const confirm = "processed";
  const said = outcomes(range(3).map(() => push.send("bad", { ...ID, confirm })));
  await eventually(() => assert.ok(!said.includes("open")));
  assert.deepEqual(
    said,
    range(3)
      .fill(0)
      .map(() => "BROKERLESS_DEAD_LETTER"),
  );
  await assert.rejects(push.send("bad", { ...ID, confirm }), { code: "BROKERLESS_DEAD_LETTER" });
  await push.deadLetters.purge();
  await assert.rejects(push.send("bad", { ...ID, confirm }), { code: "BROKERLESS_DEAD_LETTER" });
  assert.equal(journal.seqStored, 1);
});

test("send: what became of an id's message is known after a restart, purged or sent anew", async (t) => {
  const world = new World(t);
  const path = world.directory();
  const [purged, anew] = ["purged", "anew"].map((deduplicationId) => ({ deduplicationId }));
  const confirm = "processed";
  {
    const journal = await world.journal(path);
    const { push, receive } = sender(t, { journal });
    const { pull } = await receive(() => "reject");
    for (const id of [purged, anew]) await assert.rejects(push.send("x", { ...id, confirm }));
    await pull.close();
    await push.deadLetters.purge([1]);
    assert.equal(await push.deadLetters.requeue(), 1);
    await push.close();
    await journal.close();
  }
  const journal = await world.journal(path);
  const { push, receive } = sender(t, { journal, graceMs: 1 });
  const said = outcomes([
    push.send("x", { ...purged, confirm }),
    push.send("x", { ...anew, confirm }),
  ]);
  // What is known of the ids is said before a message behind them is stored.
  await push.send("other", { confirm: "stored" });
  assert.deepEqual(said, ["BROKERLESS_DEAD_LETTER", "open"]);
  await receive();
  await eventually(() => assert.equal(said[1], "done"));
  await eventually(() => assert.equal(push.stats().queuedMessages, 0));
  await journal.sync();
});

/** A sender whose only message, which has the id, is a dead letter, and what its journal can be made to refuse. */
async function withLetter(t: TestContext) {
  const memory = new MemoryJournal();
  const it = { verdict: "reject" as "ack" | "reject", isFull: false };
  const set = (values: Values): Appended => {
    if (!it.isFull) return memory.set(values);
    const error = new BrokerlessError("BROKERLESS_NO_SPACE", "the disk is full");
    return Promise.reject(error) as unknown as Appended;
  };
  const { push, receive } = sender(t, { journal: changed(memory, { set }) });
  const { pull } = await receive(() => it.verdict);
  const sent = push.send("first", { ...ID, confirm: "processed" });
  await assert.rejects(sent, { code: "BROKERLESS_DEAD_LETTER" });
  return Object.assign(it, { memory, push, pull });
}

/** Sends the letter anew, has it processed, and repeats the call with its id. */
async function assertLives(push: ReliablePush<string>, journal: Journal): Promise<void> {
  assert.equal(await push.deadLetters.requeue(), 1);
  await eventually(() => assert.equal(push.stats().queuedMessages, 0));
  await push.send("again", { ...ID, confirm: "processed" });
  assert.equal(journal.seqStored, 2);
}

test("send: a purge that fails leaves no trace in its ids: NO_SPACE", async (t) => {
  const it = await withLetter(t);
  it.isFull = true;
  await assert.rejects(it.push.deadLetters.purge(), { code: "BROKERLESS_NO_SPACE" });
  it.isFull = false;
  it.verdict = "ack";
  await assertLives(it.push, it.memory);
});

test("send: a purge that fails leaves no trace in its ids: CLOSED", async (t) => {
  const { push, pull, memory } = await withLetter(t);
  await pull.close();
  const closed = push.close();
  await assert.rejects(push.deadLetters.purge(), { code: "BROKERLESS_CLOSED" });
  await closed;
  const next = sender(t, { journal: memory, graceMs: 1 });
  await next.receive();
  await assertLives(next.push, memory);
});

test("send: that an id's letter was purged is stored with the purge", async (t) => {
  const { push, pull, memory } = await withLetter(t);
  await pull.close();
  assert.equal(await push.deadLetters.purge(), 1);
  await push.close();
  const next = sender(t, { journal: memory, graceMs: 1 });
  const again = next.push.send("again", { ...ID, confirm: "processed" });
  await assert.rejects(again, { code: "BROKERLESS_DEAD_LETTER" });
});

test("send: the id of a dead letter that is sent anew is the new message's, whatever its page says", async (t) => {
  const { push, pull, memory } = await withLetter(t);
  await pull.close();
  await push.close();
  // As a purge has left it that could not be stored, of which only the page was.
  const { number, ids } = decodeIdPage(memory.get("dedup-0")!)!;
  for (const id of ids) id.end = "dead";
  await memory.set({ "dedup-0": encodeIdPage(number, ids) });
  const next = sender(t, { journal: memory, graceMs: 1 });
  await next.receive();
  await assertLives(next.push, memory);
});

test("send: a repeated id whose first message cannot be stored fails with it, and is free again", async (t) => {
  const memory = new MemoryJournal();
  const failing = gate();
  let isFull = true;
  const refuse = (): Appended => {
    const error = new BrokerlessError("BROKERLESS_NO_SPACE", "the disk is full");
    return failing.promise.then(() => Promise.reject(error)) as unknown as Appended;
  };
  const journal: Journal = changed(memory, {
    appendDraft: (...args) => (isFull ? refuse() : memory.appendDraft(...args)),
  });
  const { push } = sender(t, { journal });
  const said = outcomes([push.send("a", ID), push.send("a", ID)]);
  // The first is on its way now; this one comes behind it.
  await turn();
  const later = outcomes([push.send("a", ID), push.send("a", { ...ID, confirm: "processed" })]);
  failing.open();
  await eventually(() => assert.notEqual(said[0], "open"));
  isFull = false;
  // All of them have ended before a message behind them is stored.
  await push.send("b");
  await turn();
  assert.deepEqual([...new Set([...said, ...later])], ["BROKERLESS_NO_SPACE"]);
  await push.send("a", ID);
  assert.equal(memory.seqStored, 2);
});

for (const idsMax of [256, 1_024, 16_384]) {
  test(`send: the newest ids are remembered where deduplicationIdsMax becomes ${idsMax}`, async (t) => {
    const world = new World(t);
    const path = world.directory();
    const send = async (deduplicationIdsMax: number, ids: readonly number[]) => {
      const journal = await world.journal(path, { sync: "never" });
      const push = new Push<number>({ journal, deduplicationIdsMax });
      const before = journal.seqStored;
      await Promise.all(ids.map((id) => push.send(id, { deduplicationId: `order ${id}` })));
      await push.close();
      const { seqStored } = journal;
      await journal.close();
      return seqStored - before;
    };
    assert.equal(await send(8_192, range(3_000)), 3_000);
    const newest = range(200).map((id) => 2_800 + id);
    assert.equal(await send(idsMax, newest), 0);
    // The control: what lies farther back than so many is forgotten.
    const oldest = range(200);
    assert.equal(await send(idsMax, oldest), idsMax < 3_000 ? 200 : 0);
    assert.equal(await send(8_192, newest.slice(-100)), 0);
  });
}

test("send: ids that another version wrote are refused, and not misread", (t) => {
  const journal = new MemoryJournal();
  const value = Buffer.alloc(8 + 16 * 3, 1);
  const old = changed(journal, { get: (name) => (name === "dedup-0" ? value : null) });
  assert.throws(() => sender(t, { journal: old }), { code: "BROKERLESS_VERSION" });
});

for (const kind of ["plain", "reliable"] as const) {
  const setUp = async (t: TestContext) => {
    const { schema, checked } = slowSchema();
    const world = new World(t);
    const reliable = kind === "reliable";
    const push = world.socket(new Push<string>({ schema, reliable }));
    const pull = world.socket(new Pull<string>({ reliable }));
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    await push.ready();
    return { push, pull, checked };
  };

  test(`send: what is aborted or out of time while its schema checks is not sent (${kind})`, async (t) => {
    const { push, pull, checked } = await setUp(t);
    const abort = new AbortController();
    const said = outcomes([
      push.send("aborted", { signal: abort.signal }),
      push.send("late", { timeoutMs: 1 }),
      // The control: in time, it is sent.
      push.send("sent", { signal: new AbortController().signal, timeoutMs: 60_000 }),
    ]);
    abort.abort("mine");
    // Before the checks have ended.
    await eventually(() => assert.deepEqual(said, ["mine", "BROKERLESS_TIMEOUT", "open"]));
    checked.open();
    await eventually(() => assert.equal(said[2], "done"));
    await push.send("last");
    const got: string[] = [];
    for await (const value of pull) if (got.push(value) === 2) break;
    assert.deepEqual(got, ["sent", "last"]);
  });

  test(`send: a wrong time limit or signal is a TypeError, and nothing is sent (${kind})`, async (t) => {
    const { push, checked } = await setUp(t);
    checked.open();
    await assert.rejects(push.send("x", { timeoutMs: -1 }), TypeError);
    await assert.rejects(push.send("x", { signal: {} as never }), TypeError);
    assert.equal(push.stats().messagesSent + push.stats().queuedMessages, 0);
  });
}

test("send: one options object serves several calls, and may change after a call", async (t) => {
  const { push, receive } = sender(t, { backlogMessagesMax: 1 });
  const abort = new AbortController();
  const shared = { confirm: "processed" as const, signal: abort.signal, deduplicationId: "a" };
  const [first] = [push.send("a", shared)];
  shared.deduplicationId = "b";
  const waiting = push.send("b", shared);
  shared.deduplicationId = "a";
  const other = { timeoutMs: 60_000 };
  const [c, d] = [push.send("c", other), push.send("d", other)];
  const said = outcomes([first!, waiting, c, d]);
  assert.equal(push.stats().waitingSends, 3);
  // It ends the two that it was given to, and no other; of these the accepted one goes on.
  abort.abort("mine");
  await eventually(() => assert.deepEqual(said.slice(0, 2), ["mine", "mine"]));
  assert.equal(push.stats().waitingSends, 2);
  const { got } = await receive();
  await eventually(() => assert.deepEqual(said.slice(2), ["done", "done"]));
  await eventually(() => assert.deepEqual(got, ["a", "c", "d"]));
});

test("send: the time limit of one call takes no other with the same options out of the queue", async (t) => {
  const { push, receive } = sender(t, { backlogMessagesMax: 1 });
  const shared = { confirm: "processed" as const, timeoutMs: 20 };
  const first = outcomes([push.send("a", shared)]);
  await turn();
  shared.timeoutMs = 60_000;
  const second = outcomes([push.send("b", shared)]);
  await eventually(() => assert.equal(first[0], "BROKERLESS_TIMEOUT"));
  assert.equal(push.stats().waitingSends, 1);
  const { got } = await receive();
  await eventually(() => assert.equal(second[0], "done"));
  assert.deepEqual(got, ["a", "b"]);
});

for (const overflow of ["block", "reject", "dropOldest"] as const) {
  test(`send: backlogMessagesMax counts what one turn accepts, ${overflow}`, async (t) => {
    const { push, journal } = sender(t, { backlogMessagesMax: 10, overflow });
    const said = outcomes(range(1_000).map((value) => push.send(`${value}`)));
    assert.ok(push.stats().queuedMessages <= 10);
    await eventually(() => assert.equal(said[9], "done"));
    if (overflow === "dropOldest") {
      await eventually(() => assert.ok(!said.includes("open")));
      assert.ok(push.stats().queuedMessages <= 10);
      return;
    }
    assert.equal(journal.seqStored, 10);
    assert.equal(
      said.filter((how) => how === "BROKERLESS_FULL").length,
      overflow === "reject" ? 990 : 0,
    );
    assert.equal(push.stats().waitingSends, overflow === "block" ? 990 : 0);
  });
}

test("send: backlogBytesMax counts what one turn accepts", async (t) => {
  const { push } = sender(t, { backlogBytesMax: 10_000 });
  const sends = range(100).map(() => push.send("x".repeat(1_000), { confirm: "queued" }));
  outcomes(sends);
  const { queuedMessages, waitingSends } = push.stats();
  assert.ok(queuedMessages >= 10 && queuedMessages <= 11, `${queuedMessages} accepted`);
  assert.equal(queuedMessages + waitingSends, 100);
});

test("send: a slow disk makes dropOldest wait, and drops nothing", async (t) => {
  const memory = new MemoryJournal();
  let isFull = false;
  const slow = changed(memory, {
    get full() {
      return isFull;
    },
  });
  const { push } = sender(t, { journal: slow, overflow: "dropOldest" });
  const dropped: unknown[] = [];
  push.on("dropped", (ranges) => dropped.push(ranges));
  await push.send("a");
  await push.send("b");
  isFull = true;
  for (const value of ["c", "d", "e"]) {
    outcomes([push.send(value)]);
    await turn();
  }
  assert.ok(push.stats().waitingSends > 0);
  assert.deepEqual(dropped, []);
});

test("send: a deduplication id with half of a surrogate pair is a TypeError, and its neighbours are ids", async (t) => {
  const { push, receive } = sender(t);
  const { got } = await receive();
  const send = (value: string, deduplicationId: string) =>
    push.send(value, { deduplicationId, confirm: "processed" });
  for (const id of ["\ud800", "a\udfff", "\udc00\ud83d", `${"x".repeat(500)}\ud801`]) {
    await assert.rejects(async () => send("half", id), {
      name: "TypeError",
      message: /deduplicationId must be a well-formed text of 1 to 512 bytes/,
    });
    // Negative control: as bytes it is another id.
    assert.ok(Buffer.from(id).equals(Buffer.from(id.replaceAll(/\p{Surrogate}/gu, "\ufffd"))));
  }
  await send("replacement", "\ufffd");
  await send("pair", "\ud83d\ude00");
  await send("pair again", "\u{1f600}");
  assert.deepEqual(got, ["replacement", "pair"]);
});
