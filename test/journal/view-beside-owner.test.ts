import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { nodeDisk } from "../../lib/journal/disk/node-disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { JournalView } from "../../lib/journal/file/journal-view.ts";
import type { MissingEntries } from "../../lib/journal/journal.ts";
import { readHeaders } from "../../lib/journal/segment/segment-list.ts";

const isCode = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;

class Owned {
  readonly place: string;
  journal!: FileJournal;
  #count = 0;

  constructor(t: TestContext) {
    this.place = mkdtempSync(join(tmpdir(), "brokerless-"));
    t.after(() => rmSync(this.place, { recursive: true, force: true }));
    t.after(() => this.journal.close().catch(() => {}));
  }

  async open(): Promise<this> {
    this.journal = await FileJournal.open(this.place, { segmentBytes: 4096 });
    await this.append(10);
    return this;
  }

  /** Each entry begins a segment. */
  async append(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.journal.append(Buffer.alloc(4096, ++this.#count));
    await this.journal.sync();
  }

  /** Between a view's look at the directory and at its files, the owner works; so many times. */
  between(t: TestContext, times: number, work: () => Promise<unknown>): void {
    const { list } = nodeDisk;
    let left = times;
    t.mock.method(nodeDisk, "list", async (path: string) => {
      const names = await list(path);
      if (left-- > 0) await work();
      return names;
    });
  }
}

test("view: opens and reads while the owner frees segments", async (t) => {
  const owned = await new Owned(t).open();
  let seq = 3;
  owned.between(t, 4, () => owned.journal.truncateBefore(++seq));
  const view = await JournalView.open(owned.place);
  assert.equal(view.seqFirst, owned.journal.seqFirst);
  const read: number[] = [];
  for await (const entry of view.read()) read.push(entry.seq);
  assert.deepEqual([read[0], read.at(-1)], [view.seqFirst, 10]);
});

test("view: never goes back while the owner starts segments", async (t) => {
  const owned = await new Owned(t).open();
  const view = await JournalView.open(owned.place);
  assert.equal(view.seqStored, 10);
  owned.between(t, 3, () => owned.append(2));
  await view.refresh();
  assert.ok(view.seqStored >= 12, String(view.seqStored));
  await view.refresh();
  assert.equal(view.seqStored, 16);
});

test("view: negative control: a single attempt, as an owner makes it, fails then", async (t) => {
  const owned = await new Owned(t).open();
  const names = await nodeDisk.list(owned.place);
  await owned.journal.truncateBefore(5);
  await assert.rejects(readHeaders(nodeDisk, owned.place, names), { code: "ENOENT" });
});

test("view: entries freed since the open are a gap for a read, and ignored by verify", async (t) => {
  const owned = await new Owned(t).open();
  const view = await JournalView.open(owned.place);
  await owned.journal.truncateBefore(5);
  await assert.rejects(async () => {
    for await (const _ of view.read({ from: 2 })) break;
  }, isCode("BROKERLESS_GAP"));
  const report = await view.verify();
  assert.deepEqual([report.ok, report.entries], [true, 6]);
  await view.refresh();
  assert.equal(view.seqFirst, 5);
});

test("view: a read from the start begins with the first entry that is kept when it is opened", async (t) => {
  const owned = await new Owned(t).open();
  const view = await JournalView.open(owned.place);
  const { open } = nodeDisk;
  let frees = 0;
  // The first segment that is kept is freed when it is about to be opened.
  t.mock.method(nodeDisk, "open", async (path: string, mode: "read") => {
    const { seqFirst } = owned.journal;
    if (frees < 3 && path.endsWith(`000${seqFirst}.segment`)) {
      frees++;
      await owned.journal.truncateBefore(seqFirst + 2);
    }
    return open(path, mode);
  });
  const read: number[] = [];
  for await (const entry of view.read()) read.push(entry.seq);
  assert.deepEqual([frees, owned.journal.seqFirst], [3, 7]);
  assert.deepEqual(read, [7, 8, 9, 10]);
});

test("view: entries freed during a read are a gap, with the current first seq in the error; onMissing continues", async (t) => {
  for (const isTold of [false, true]) {
    const owned = await new Owned(t).open();
    const view = await JournalView.open(owned.place);
    const missing: number[][] = [];
    const onMissing = (range: MissingEntries) => missing.push([range.seqFirst, range.seqLast]);
    const seqs: number[] = [];
    const read = async () => {
      for await (const { seq } of view.read(isTold ? { onMissing } : {})) {
        if (seqs.push(seq) === 1) await owned.journal.truncateBefore(5);
      }
    };
    if (isTold) await read();
    else await assert.rejects(read, /read from seq 2, and the journal keeps 5 and later ones only/);
    assert.deepEqual([seqs, missing], isTold ? [[1, 5, 6, 7, 8, 9, 10], [[2, 4]]] : [[1], []]);
  }
});

test("journal: verify finds no damage while the journal itself removes segments", async (t) => {
  const owned = await new Owned(t).open();
  const { open } = nodeDisk;
  let isFreed = false;
  t.mock.method(nodeDisk, "open", async (path: string, mode: "read") => {
    if (!isFreed) {
      isFreed = true;
      await owned.journal.truncateBefore(4);
    }
    return open(path, mode);
  });
  const report = await owned.journal.verify();
  assert.deepEqual([isFreed, report.ok, report.damage], [true, true, []]);
});

test("view: a missing segment in the middle is damage, after all attempts", async (t) => {
  const owned = await new Owned(t).open();
  const view = await JournalView.open(owned.place);
  rmSync(join(owned.place, "0000000004.segment"));
  await assert.rejects(JournalView.open(owned.place), isCode("BROKERLESS_CORRUPT"));
  assert.equal((await view.verify()).ok, false);
  await assert.rejects(async () => {
    for await (const _ of view.read({ from: 4 })) break;
  }, isCode("BROKERLESS_CORRUPT"));
});
