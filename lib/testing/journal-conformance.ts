import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { checkBatch } from "../batch/batch.ts";
import { BatchEncoder } from "../batch/batch-encoder.ts";
import type { Entry } from "../batch/entry.ts";
import { BrokerlessError } from "../errors.ts";
import type { Journal, ReadOptions } from "../journal/journal.ts";

/** A kind of journal to be tested. */
export interface JournalSubject {
  readonly name: string;
  /** Opens a journal in a place where none was; the suite closes it. */
  create(t: TestContext): Promise<Journal>;
  /** Opens the place of a closed journal again; `null` for one that does not outlive its closing. */
  readonly reopen: ((closed: Journal) => Promise<Journal>) | null;
}

type Check = (open: () => Promise<Journal>, subject: JournalSubject) => Promise<void>;

/**
 * Registers the tests of the `Journal` port with node:test, for any implementation of it.
 *
 * @see Journal for the promises that are tested
 */
export function journalConformance(subject: JournalSubject): void {
  for (const [claim, check] of Object.entries(CHECKS)) {
    test(`${subject.name}: ${claim}`, async (t) => {
      const open = async () => {
        const journal = await subject.create(t);
        t.after(() => journal.close().catch(() => {}));
        return journal;
      };
      await check(open, subject);
    });
  }
}

const bytes = (text: string) => Buffer.from(text);
const rejectsWith = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;

async function texts(journal: Journal, options?: ReadOptions): Promise<[number, string][]> {
  const read: [number, string][] = [];
  for await (const entry of journal.read(options)) read.push([entry.seq, String(entry.value)]);
  return read;
}

const CHECKS: Record<string, Check> = {
  "an empty journal starts at seq 1 and reads nothing": async (open) => {
    const journal = await open();
    assert.match(journal.stream, /^[0-9a-f]{32}$/);
    assert.equal(journal.epoch >= 1, true);
    assert.deepEqual([journal.seqFirst, journal.seqStored, journal.seqNext], [1, 0, 1]);
    assert.deepEqual(await texts(journal), []);
  },

  "an append has its seq at once, and resolves to it when it is stored": async (open) => {
    const journal = await open();
    const first = journal.append(bytes("a"));
    const second = journal.append(bytes("b"));
    assert.deepEqual([first.seq, second.seq, journal.seqNext], [1, 2, 3]);
    assert.deepEqual(await Promise.all([first, second]), [1, 2]);
    assert.equal(journal.seqStored, 2);
    assert.deepEqual(await texts(journal), [
      [1, "a"],
      [2, "b"],
    ]);
  },

  "appends settle in the order of seq": async (open) => {
    const journal = await open();
    const order: number[] = [];
    const appends: Promise<void>[] = [];
    for (let index = 0; index < 100; index++) {
      appends.push(journal.append(bytes("x")).then((seq) => void order.push(seq)));
      if (index % 7 === 0) await new Promise(setImmediate);
    }
    await Promise.all(appends);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  },

  "a buffer may be reused when append returns": async (open) => {
    const journal = await open();
    const buffer = bytes("one");
    const first = journal.append(buffer);
    buffer.write("two");
    await first;
    assert.deepEqual(await texts(journal), [[1, "one"]]);
  },

  "keys, headers and times come back": async (open) => {
    const journal = await open();
    const meta = {
      key: "k",
      headers: { a: "1", ä: "ö" },
      createdAtMs: 1,
      notBeforeMs: 2,
      expiresAtMs: 3,
    };
    await journal.append({ value: bytes("v"), ...meta });
    await journal.append({ value: bytes("w") });
    const entries: Entry[] = [];
    for await (const entry of journal.read()) entries.push(entry);
    const [full, bare] = entries;
    const { key, headers, createdAtMs, notBeforeMs, expiresAtMs } = full!;
    assert.deepEqual({ key, headers, createdAtMs, notBeforeMs, expiresAtMs }, meta);
    assert.equal(String(full!.value), "v");
    assert.deepEqual(
      [bare!.key, bare!.headers, bare!.expiresAtMs],
      [undefined, undefined, undefined],
    );
  },

  "several entries of one append have consecutive seqs and one outcome": async (open) => {
    const journal = await open();
    const append = journal.append([bytes("a"), { value: bytes("b"), key: "k" }, bytes("c")]);
    assert.deepEqual([append.seq, append.count], [1, 3]);
    await append;
    assert.deepEqual(
      (await texts(journal)).map(([, text]) => text),
      ["a", "b", "c"],
    );
  },

  "an append with one wrong entry changes nothing": async (open) => {
    const journal = await open();
    assert.throws(() => journal.append([bytes("a"), "b" as never]), TypeError);
    assert.throws(() => journal.append({ value: 7 as never }), TypeError);
    assert.throws(
      () => journal.append([bytes("a"), { value: bytes("b"), notBeforeMs: -1 }]),
      TypeError,
    );
    assert.throws(() => journal.append(bytes("a"), { values: { "../x": bytes("b") } }), TypeError);
    assert.equal(journal.seqNext, 1);
    await journal.append(bytes("only"));
    assert.deepEqual(await texts(journal), [[1, "only"]]);
  },

  "a draft is stored as one batch, in place": async (open) => {
    const journal = await open();
    await journal.append(bytes("before"));
    const encoder = new BatchEncoder({ codec: 2 });
    encoder.add(bytes("a"));
    encoder.addEntry({ value: bytes("b"), key: "k" });
    const draft = encoder.take();
    const append = journal.appendDraft(draft);
    assert.deepEqual([append.seq, append.count], [2, 2]);
    await append;
    assert.equal(checkBatch(draft.batch), null);
    const batches: Buffer[] = [];
    for await (const batch of journal.read({ from: 2 }).batches()) batches.push(batch.bytes);
    assert.deepEqual(batches, [draft.batch]);
  },

  "a batch that is read is whole, and carries stream, epoch and seq": async (open) => {
    const journal = await open();
    for (let index = 0; index < 10; index++) await journal.append(bytes(`entry ${index}`));
    let seqNext = 1;
    let timeMs = 0;
    for await (const batch of journal.read().batches()) {
      assert.equal(checkBatch(batch.bytes), null);
      assert.deepEqual(
        [batch.stream, batch.epoch, batch.seqFirst],
        [journal.stream, journal.epoch, seqNext],
      );
      assert.equal(batch.timeMs >= timeMs, true);
      assert.equal(batch.durableBefore < batch.seqFirst, true);
      seqNext = batch.seqLast + 1;
      timeMs = batch.timeMs;
    }
    assert.equal(seqNext, 11);
  },

  "a read starts at any seq, in the middle of a batch too": async (open) => {
    const journal = await open();
    const all: [number, string][] = [];
    for (let seq = 1; seq <= 50; seq++) all.push([seq, `value ${seq}`]);
    for (const [, text] of all) journal.append(bytes(text));
    await journal.sync();
    for (const seq of [1, 2, 25, 49, 50, 51]) {
      assert.deepEqual(await texts(journal, { from: seq }), all.slice(seq - 1), `from ${seq}`);
      assert.deepEqual(await texts(journal, { from: { seq } }), all.slice(seq - 1));
    }
    assert.deepEqual(await texts(journal, { from: "start" }), all);
    assert.deepEqual(await texts(journal, { from: "end" }), []);
  },

  "a read starts at a time": async (open) => {
    const journal = await open();
    await journal.append(bytes("a"));
    assert.deepEqual(await texts(journal, { from: { time: 0 } }), [[1, "a"]]);
    assert.deepEqual(await texts(journal, { from: { time: new Date(8.64e15) } }), []);
  },

  "a position that the stream never had is BROKERLESS_DIVERGED": async (open) => {
    const journal = await open();
    await journal.append(bytes("a"));
    await assert.rejects(texts(journal, { from: 3 }), rejectsWith("BROKERLESS_DIVERGED"));
  },

  "a wrong position is a TypeError": async (open) => {
    const journal = await open();
    for (const from of [0, -1, 1.5, "now", null, { seq: "1" }, { time: "x" }]) {
      assert.throws(() => journal.read({ from: from as never }), TypeError, JSON.stringify(from));
    }
  },

  "a following read gets what is stored later": async (open) => {
    const journal = await open();
    await journal.append(bytes("1"));
    const follow = async (options: ReadOptions) => {
      const read: number[] = [];
      for await (const entry of journal.read({ ...options, follow: true })) {
        assert.equal(String(entry.value), String(entry.seq));
        read.push(entry.seq);
        if (entry.seq === 20) break;
      }
      return read;
    };
    const early = follow({});
    const late = follow({ from: "end" });
    for (let seq = 2; seq <= 20; seq++) await journal.append(bytes(String(seq)));
    const expected = Array.from({ length: 20 }, (_, index) => index + 1);
    assert.deepEqual(await early, expected);
    assert.deepEqual(await late, expected.slice(1));
  },

  "a following read ends with the journal": async (open) => {
    const journal = await open();
    await journal.append(bytes("1"));
    const reading = texts(journal, { from: "end", follow: true });
    await new Promise(setImmediate);
    await journal.close();
    assert.deepEqual(await reading, []);
  },

  "a following read ends with its signal": async (open) => {
    const journal = await open();
    await journal.append(bytes("1"));
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const _ of journal.read({ follow: true, signal: controller.signal })) {
        controller.abort(reason);
      }
    })();
    await assert.rejects(reading, (error) => error === reason);
  },

  "a read that is left early can be closed twice": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 3; seq++) await journal.append(bytes("x"));
    const reader = journal.read();
    for await (const entry of reader) if (entry.seq === 2) break;
    await reader.close();
    await reader.close();
  },

  "readers see nothing that is not stored": async (open) => {
    const journal = await open();
    for (let round = 0; round < 20; round++) {
      const append = journal.append(bytes("x"));
      const read = await texts(journal);
      assert.equal(read.length <= journal.seqStored, true);
      await append;
      assert.equal((await texts(journal)).length, round + 1);
    }
  },

  "values are stored with an append, alone, and deleted": async (open) => {
    const journal = await open();
    assert.equal(journal.get("cursor"), null);
    await journal.append(bytes("a"), { values: { cursor: bytes("1"), other: bytes("o") } });
    assert.equal(String(journal.get("cursor")), "1");
    assert.equal(await journal.set({ cursor: bytes("2"), other: null }), 2);
    assert.equal(String(journal.get("cursor")), "2");
    assert.equal(journal.get("other"), null);
    assert.deepEqual(await texts(journal), [[1, "a"]]);
  },

  "a value is not seen before it is stored": async (open) => {
    const journal = await open();
    const set = journal.set({ cursor: bytes("1") });
    assert.equal(journal.get("cursor"), null);
    await set;
    assert.equal(String(journal.get("cursor")), "1");
  },

  "the last of several values in flight wins": async (open) => {
    const journal = await open();
    for (let index = 0; index < 50; index++) journal.set({ cursor: bytes(String(index)) });
    await journal.sync();
    assert.equal(String(journal.get("cursor")), "49");
  },

  "values have names of a kind, and 1 MiB": async (open) => {
    const journal = await open();
    for (const name of ["", "-a", "a/b", ":first", "a".repeat(65)]) {
      assert.throws(() => journal.set({ [name]: bytes("") }), TypeError, name);
    }
    const large = Buffer.alloc(2 ** 20);
    assert.throws(() => journal.set({ large }), rejectsWith("BROKERLESS_TOO_LARGE"));
  },

  "freed entries are a gap, and the count goes on": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 10; seq++) await journal.append(bytes(String(seq)));
    const kept = await journal.truncateBefore(6);
    assert.equal(kept <= 6, true);
    assert.equal(journal.seqFirst, kept);
    const all = (await texts(journal)).map(([seq]) => seq);
    assert.deepEqual(
      all,
      Array.from({ length: 11 - kept }, (_, index) => kept + index),
    );
    if (kept > 1) {
      await assert.rejects(texts(journal, { from: 1 }), rejectsWith("BROKERLESS_GAP"));
    }
    assert.equal(await journal.truncateBefore(2), kept);
    assert.equal(await journal.append(bytes("next")), 11);
    assert.equal(journal.seqFirst <= 6, true);
  },

  "a hold keeps entries until it is moved or released": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 10; seq++) await journal.append(bytes(String(seq)));
    await journal.hold("slow", 3);
    await journal.hold("fast", 8);
    assert.deepEqual([...journal.holds()].toSorted(), [
      ["fast", 8],
      ["slow", 3],
    ]);
    assert.equal((await journal.truncateBefore(10)) <= 3, true);
    assert.deepEqual((await texts(journal, { from: 3 })).length, 8);
    await journal.release("slow");
    assert.equal((await journal.truncateBefore(10)) <= 8, true);
    await journal.release("nobody");
    await assert.rejects(journal.hold("../x", 1), TypeError);
    await assert.rejects(journal.hold("x", 0), TypeError);
  },

  "the bytes in flight are bounded, and room comes back": async (open) => {
    const journal = await open();
    const value = Buffer.alloc(2 ** 20);
    let accepted = 0;
    while (!journal.full && accepted < 2000) {
      journal.append(value);
      accepted++;
    }
    assert.equal(journal.full, true);
    const seqNext = journal.seqNext;
    await assert.rejects(journal.append(value), rejectsWith("BROKERLESS_FULL"));
    assert.equal(journal.seqNext, seqNext);
    await journal.room();
    assert.equal(journal.full, false);
    await journal.sync();
    assert.deepEqual([journal.seqStored, journal.pendingBytes], [accepted, 0]);
  },

  "a refused append that nobody looks at is reported by sync": async (open) => {
    const journal = await open();
    const value = Buffer.alloc(2 ** 20);
    while (!journal.full) journal.append(value);
    journal.append(value);
    await assert.rejects(journal.sync(), rejectsWith("BROKERLESS_FULL"));
    await journal.sync();
  },

  "verify finds nothing wrong": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 10; seq++) await journal.append(bytes(String(seq)));
    const report = await journal.verify();
    assert.deepEqual([report.ok, report.entries, report.damage], [true, 10, []]);
  },

  "closing stores what was appended, and everything after fails": async (open) => {
    const journal = await open();
    const append = journal.append(bytes("last"));
    const closing = journal.close();
    assert.equal(await append, 1);
    await closing;
    await journal.close();
    await assert.rejects(journal.append(bytes("x")), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.set({ x: bytes("x") }), rejectsWith("BROKERLESS_CLOSED"));
    assert.throws(() => journal.read(), rejectsWith("BROKERLESS_CLOSED"));
  },

  "a reopened journal has entries, values, holds and its place": async (open, { reopen }) => {
    if (reopen === null) return;
    const first = await open();
    for (let seq = 1; seq <= 10; seq++) await first.append(bytes(String(seq)));
    await first.set({ cursor: bytes("c"), gone: bytes("g") });
    await first.set({ gone: null });
    await first.hold("h", 4);
    await first.truncateBefore(9);
    const before = await texts(first);
    await first.close();
    const second = await reopen(first);
    try {
      assert.deepEqual([second.stream, second.epoch], [first.stream, first.epoch]);
      assert.deepEqual([second.seqStored, second.seqNext], [10, 11]);
      assert.deepEqual(await texts(second), before);
      assert.equal(String(second.get("cursor")), "c");
      assert.equal(second.get("gone"), null);
      assert.deepEqual([...second.holds()], [["h", 4]]);
      assert.equal(await second.append(bytes("11")), 11);
    } finally {
      await second.close();
    }
  },

  "a seq is not given twice, even when all entries are freed": async (open, { reopen }) => {
    if (reopen === null) return;
    const first = await open();
    for (let seq = 1; seq <= 5; seq++) await first.append(bytes(String(seq)));
    await first.truncateBefore(6);
    await first.close();
    const second = await reopen(first);
    try {
      assert.equal(await second.append(bytes("6")), 6);
    } finally {
      await second.close();
    }
  },
};
