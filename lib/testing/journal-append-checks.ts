import assert from "node:assert/strict";
import { checkBatch } from "../batch/batch.ts";
import { BatchEncoder } from "../batch/batch-encoder.ts";
import type { Entry } from "../batch/entry.ts";
import { bytes, type JournalCheck, rejectsWith, texts } from "./journal-check.ts";

/** The promises of `Journal` about appends. */
export const APPEND_CHECKS: Readonly<Record<string, JournalCheck>> = {
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

  "an append without entries and values is stored at once": async (open) => {
    const journal = await open();
    for (const round of [1, 2]) {
      const nothing = journal.append([]);
      assert.deepEqual([nothing.seq, nothing.count, await nothing], [round, 0, round]);
      assert.equal(await journal.set({}), round);
      await journal.append(bytes("x"));
    }
    assert.equal(journal.seqStored, 2);
  },

  "a buffer may be reused when append returns": async (open) => {
    const journal = await open();
    const buffer = bytes("one");
    const first = journal.append(buffer);
    buffer.write("two");
    await first;
    assert.deepEqual(await texts(journal), [[1, "one"]]);
  },

  "keys, headers and times are read as they were appended": async (open) => {
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

  "an append with one invalid entry changes nothing": async (open) => {
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

  "the pending bytes are bounded, and room() resolves once they are stored": async (open) => {
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

  "a refused append that nobody awaits is reported by sync": async (open) => {
    const journal = await open();
    const value = Buffer.alloc(2 ** 20);
    while (!journal.full) journal.append(value);
    journal.append(value);
    await assert.rejects(journal.sync(), rejectsWith("BROKERLESS_FULL"));
    await journal.sync();
  },
};
