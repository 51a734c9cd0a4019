import assert from "node:assert/strict";
import { checkBatch } from "../batch/batch.ts";
import type { ReadOptions } from "../journal/journal.ts";
import { bytes, type JournalCheck, rejectsWith, texts } from "./journal-check.ts";

/** The promises of `Journal` about reads. */
export const READ_CHECKS: Readonly<Record<string, JournalCheck>> = {
  "a batch from a read is valid, and carries stream, epoch and seq": async (open) => {
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

  "a read from a time starts at the first batch that was sealed then or later": async (open) => {
    const journal = await open();
    const times: number[] = [];
    // The clock is the real one: appends until the batches have several different times.
    while (new Set(times).size < 4) {
      await journal.append([bytes("a"), bytes("b")]);
      for await (const batch of journal.read({ from: journal.seqStored }).batches()) {
        times.push(batch.timeMs);
      }
      await new Promise(setImmediate);
    }
    for (const time of [...new Set(times), times.at(-1)! + 1, times[0]! - 1]) {
      const before = times.filter((candidate) => candidate < time).length;
      const read = await texts(journal, { from: { time } });
      assert.equal(read.length, (times.length - before) * 2, `from ${time} of ${times}`);
    }
  },

  "a position that the stream never had is BROKERLESS_DIVERGED": async (open) => {
    const journal = await open();
    await journal.append(bytes("a"));
    await assert.rejects(texts(journal, { from: 3 }), rejectsWith("BROKERLESS_DIVERGED"));
  },

  "an invalid position is a TypeError": async (open) => {
    const journal = await open();
    for (const from of [0, -1, 1.5, "now", null, { seq: "1" }, { time: "x" }]) {
      assert.throws(() => journal.read({ from: from as never }), TypeError, JSON.stringify(from));
    }
  },

  "a following read gets entries that are stored later": async (open) => {
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

  "a following read gets entries that are stored during a close": async (open) => {
    const journal = await open();
    await journal.append(bytes("1"));
    const reading = texts(journal, { follow: true });
    await new Promise(setImmediate);
    for (let seq = 2; seq <= 20; seq++) journal.append(bytes(String(seq)));
    await journal.close();
    assert.deepEqual(
      await reading,
      Array.from({ length: 20 }, (_, index) => [index + 1, String(index + 1)]),
    );
  },

  "a read that is in progress at a close delivers the rest, or rejects": async (open) => {
    for (const follow of [true, false]) {
      const journal = await open();
      for (let seq = 1; seq <= 20; seq++) await journal.append(bytes(String(seq)));
      let last = 0;
      const reading = (async () => {
        for await (const { seq } of journal.read({ follow })) {
          last = seq;
          if (seq === 2) await journal.close();
        }
      })();
      const error = await reading.catch((thrown: unknown) => thrown);
      if (last < 20) assert.equal(rejectsWith("BROKERLESS_CLOSED")(error), true, String(error));
      else assert.equal(error, undefined);
    }
  },

  "a read that starts after a close delivers everything, or is BROKERLESS_CLOSED": async (open) => {
    for (const from of ["start", { seq: 2 }, { time: 0 }] as const) {
      const journal = await open();
      for (let seq = 1; seq <= 3; seq++) await journal.append(bytes(String(seq)));
      const reader = journal.read({ from });
      await journal.close();
      let last = 0;
      const reading = (async () => {
        for await (const { seq } of reader) last = seq;
      })();
      const error = await reading.catch((thrown: unknown) => thrown);
      if (last < 3) assert.equal(rejectsWith("BROKERLESS_CLOSED")(error), true, String(error));
      else assert.equal(error, undefined);
    }
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

  "a read that was ended early can be closed twice": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 3; seq++) await journal.append(bytes("x"));
    const reader = journal.read();
    for await (const entry of reader) if (entry.seq === 2) break;
    await reader.close();
    await reader.close();
  },

  "readers see only stored entries": async (open) => {
    const journal = await open();
    for (let round = 0; round < 20; round++) {
      const append = journal.append(bytes("x"));
      const read = await texts(journal);
      assert.equal(read.length <= journal.seqStored, true);
      await append;
      assert.equal((await texts(journal)).length, round + 1);
    }
  },

  "verify finds no damage": async (open) => {
    const journal = await open();
    for (let seq = 1; seq <= 10; seq++) await journal.append(bytes(String(seq)));
    const report = await journal.verify();
    assert.deepEqual([report.ok, report.entries, report.damage], [true, 10, []]);
  },
};
