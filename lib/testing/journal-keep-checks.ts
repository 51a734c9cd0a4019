import assert from "node:assert/strict";
import { bytes, type JournalCheck, rejectsWith, texts } from "./journal-check.ts";

/**
 * The promises of `Journal` about stored values and holds, and about all contents after a reopen.
 */
export const KEEP_CHECKS: Readonly<Record<string, JournalCheck>> = {
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

  "value names are checked, and all values together are limited to 1 MiB": async (open) => {
    const journal = await open();
    for (const name of ["", "-a", "a/b", ":first", "a".repeat(65)]) {
      assert.throws(() => journal.set({ [name]: bytes("") }), TypeError, name);
    }
    const large = Buffer.alloc(2 ** 20);
    assert.throws(() => journal.set({ large }), rejectsWith("BROKERLESS_TOO_LARGE"));
  },

  "freed entries are a gap, and later seqs continue the numbering": async (open) => {
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

  "close stores pending appends, and later calls fail": async (open) => {
    const journal = await open();
    const append = journal.append(bytes("last"));
    const closing = journal.close();
    assert.equal(await append, 1);
    await closing;
    await journal.close();
    await assert.rejects(journal.append(bytes("x")), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.set({ x: bytes("x") }), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.sync(), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.truncateBefore(1), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.hold("x", 1), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.release("x"), rejectsWith("BROKERLESS_CLOSED"));
    await assert.rejects(journal.verify(), rejectsWith("BROKERLESS_CLOSED"));
    assert.throws(() => journal.read(), rejectsWith("BROKERLESS_CLOSED"));
    await journal.room();
  },

  "a journal keeps returning its state during a close, and afterwards": async (open) => {
    const journal = await open();
    await journal.append(bytes("a"), { values: { cursor: bytes("1") } });
    await journal.hold("h", 1);
    const told = () => [
      journal.seqFirst,
      journal.seqStored,
      journal.seqNext,
      journal.stats().entriesKept,
      journal.stats().bytesKept > 0,
      String(journal.get("cursor")),
      [...journal.holds()],
    ];
    const before = told();
    const closing = journal.close();
    assert.deepEqual(told(), before);
    await closing;
    assert.deepEqual(told(), before);
  },

  "entries freed during a close stay freed": async (open, { reopen }) => {
    const journal = await open();
    for (let seq = 1; seq <= 10; seq++) await journal.append(bytes(String(seq)));
    const freed = journal.truncateBefore(6);
    await journal.close();
    const kept = await freed;
    assert.equal(kept <= 6, true);
    if (reopen === null) return;
    const second = await reopen(journal);
    try {
      assert.deepEqual([second.seqFirst, (await texts(second)).at(-1)], [kept, [10, "10"]]);
    } finally {
      await second.close();
    }
  },

  "a reopened journal has its entries, values, holds and next seq": async (open, { reopen }) => {
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

  "a seq is not assigned twice, even when all entries are freed": async (open, { reopen }) => {
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
