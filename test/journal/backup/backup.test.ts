import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../../lib/errors.ts";
import { backupJournal } from "../../../lib/journal/backup/backup.ts";
import { segmentName, segmentNumber } from "../../../lib/journal/disk/file-names.ts";
import { nodeDisk } from "../../../lib/journal/disk/node-disk.ts";
import { nodePorts } from "../../../lib/journal/disk/ports.ts";
import { FileJournal } from "../../../lib/journal/file/file-journal.ts";
import { JournalView } from "../../../lib/journal/file/journal-view.ts";
import { encodeMark } from "../../../lib/journal/format/durable-mark.ts";
import { decodeSegmentHeader } from "../../../lib/journal/format/segment-header.ts";

const OPTIONS = { segmentBytes: 4096 };

const isCode = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;

function home(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function append(journal: FileJournal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const values = { cursor: Buffer.from(String(journal.seqNext)) };
    await journal.append(Buffer.from(`entry ${journal.seqNext} `.padEnd(1_000)), { values });
  }
  await journal.sync();
}

/** Opens a copy, and checks that it is a whole journal from some seq on. @returns its first and last seq */
async function check(place: string, stream: string): Promise<[number, number]> {
  await using copy = await FileJournal.open(place, OPTIONS);
  assert.equal(copy.stream, stream);
  assert.equal(String(copy.get("cursor")), String(copy.seqStored));
  let next = copy.seqFirst;
  for await (const { seq, value } of copy.read()) {
    assert.equal(seq, next++);
    assert.ok(String(value).startsWith(`entry ${seq} `));
  }
  assert.equal(next, copy.seqStored + 1);
  assert.ok((await copy.verify()).ok);
  return [copy.seqFirst, copy.seqStored];
}

test("backup: a backup made while the owner appends and frees holds the state of one moment", async (t) => {
  const place = home(t);
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 40);
  const { open } = nodeDisk;
  const source = join(place, "j", "0");
  let busy = 0;
  // Under the first files that are copied the owner frees, begins segments, and goes on.
  t.mock.method(nodeDisk, "open", async (path: string, mode: "read") => {
    if (path.startsWith(source) && mode === "read" && ++busy % 7 === 0 && busy < 100) {
      await append(journal, 8);
      await journal.truncateBefore(journal.seqStored - 30);
    }
    return open(path, mode);
  });
  const report = await backupJournal(join(place, "j"), join(place, "copy"));
  t.mock.restoreAll();
  assert.deepEqual([report.ok, report.stream], [true, journal.stream]);
  assert.ok(busy > 20, `only ${busy} files were opened`);
  assert.ok(report.seqStored >= 40 && report.seqFirst > 1);
  assert.ok(!existsSync(join(place, "copy.partial")));
  const [, seqStored] = await check(join(place, "copy"), journal.stream);
  assert.equal(seqStored, report.seqStored);
  await journal.close();
  await check(join(place, "j"), journal.stream);
});

/** The oldest mark that the owner may have left: what it stored in the newest segment is not in it yet. */
async function lagMark(journal: FileJournal, place: string): Promise<void> {
  const numbers = readdirSync(place).map(segmentNumber);
  const number = Math.max(...numbers.filter((each) => each !== null));
  const head = decodeSegmentHeader(readFileSync(join(place, segmentName(number))));
  assert.ok(head.kind === "header");
  const { bornBytes, seqBase } = head.header;
  const mark = encodeMark({
    segment: number,
    stream: journal.stream,
    bootId: nodePorts.bootId,
    durableOffset: bornBytes,
    storedOffset: bornBytes,
    seqStored: seqBase - 1,
    lazy: false,
  });
  writeFileSync(join(place, "mark"), mark);
}

test("backup: entries freed beyond the mark, at any step of the copy, do not make an open fail", async (t) => {
  const { open } = nodeDisk;
  for (let at = 1, steps = 1; at <= steps; at++) {
    const place = home(t);
    const source = join(place, "j");
    const journal = await FileJournal.open(source, OPTIONS);
    await append(journal, 14);
    let step = 0;
    t.mock.method(nodeDisk, "open", async (path: string, mode: "read") => {
      if (path.startsWith(source) && mode === "read") {
        if (++step === at) {
          await append(journal, 5);
          await journal.truncateBefore(journal.seqStored);
        }
        await lagMark(journal, source);
      }
      return open(path, mode);
    });
    const { seqStored } = journal;
    const report = await backupJournal(source, join(place, "copy"));
    t.mock.restoreAll();
    steps = Math.max(steps, step);
    assert.ok(report.ok, `step ${at}`);
    assert.ok(report.seqStored >= seqStored, `step ${at}: what was stored before is in it`);
    await check(join(place, "copy"), journal.stream);
    await journal.close();
  }
});

test("backup: the backup of a killed owner's journal includes changes beyond the mark", async (t) => {
  const place = home(t);
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 14);
  await journal.truncateBefore(13);
  await lagMark(journal, join(place, "j"));
  const report = await backupJournal(join(place, "j"), join(place, "copy"));
  assert.deepEqual([report.ok, report.seqStored], [true, 14]);
  await check(join(place, "copy"), journal.stream);
  await journal.close();
});

test("backup: a missing segment at either end is reported, by a backup and by verify", async (t) => {
  for (const pick of [(names: string[]) => names[0]!, (names: string[]) => names.at(-1)!]) {
    const place = home(t);
    const journal = await FileJournal.open(join(place, "j"), OPTIONS);
    await append(journal, 14);
    await journal.close();
    const names = readdirSync(join(place, "j")).filter((name) => segmentNumber(name) !== null);
    const name = pick(names.sort());
    rmSync(join(place, "j", name));
    await assert.rejects(FileJournal.open(join(place, "j")), isCode("BROKERLESS_CORRUPT"));
    const view = await JournalView.open(join(place, "j"));
    const report = await view.verify();
    assert.equal(report.ok, false);
    assert.deepEqual([report.damage.length, report.damage[0]?.file], [1, name]);
    assert.match(report.damage[0]?.reason ?? "", /^the file is missing/);
    const { ok, damage } = await backupJournal(join(place, "j"), join(place, "copy"));
    assert.deepEqual([ok, damage], [false, report.damage]);
  }
});

test("backup: negative control: files copied in one pass while the owner frees do not form a journal", async (t) => {
  const place = home(t);
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 40);
  const names = readdirSync(join(place, "j"));
  await append(journal, 8);
  await journal.truncateBefore(30);
  mkdirSync(join(place, "copy"));
  for (const name of names.filter((each) => existsSync(join(place, "j", each)))) {
    copyFileSync(join(place, "j", name), join(place, "copy", name));
  }
  await journal.close();
  await assert.rejects(FileJournal.open(join(place, "copy")), isCode("BROKERLESS_CORRUPT"));
});

test("backup: a closed, killed or empty journal can be backed up", async (t) => {
  const place = home(t);
  const empty = await FileJournal.open(join(place, "empty"));
  await backupJournal(join(place, "empty"), join(place, "bare-copy"));
  await using copy = await FileJournal.open(join(place, "bare-copy"));
  assert.deepEqual([copy.stream, copy.seqStored], [empty.stream, 0]);
  await empty.close();
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 20);
  await journal.close();
  await backupJournal(join(place, "j"), join(place, "closed"));
  assert.deepEqual(await check(join(place, "closed"), journal.stream), [1, 20]);
  rmSync(join(place, "j", "mark"));
  rmSync(join(place, "j", "checkpoint"));
  await backupJournal(join(place, "j"), join(place, "bare"));
  assert.deepEqual(await check(join(place, "bare"), journal.stream), [1, 20]);
});

test("backup: an existing target is not touched, and a failed backup leaves nothing", async (t) => {
  const place = home(t);
  const isFailed = isCode("BROKERLESS_JOURNAL_FAILED");
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 20);
  const to = join(place, "copy");
  mkdirSync(to);
  writeFileSync(join(to, "precious"), "x");
  await assert.rejects(backupJournal(join(place, "j"), to), /is there already/);
  assert.deepEqual(readdirSync(to), ["precious"]);
  rmSync(to, { recursive: true });
  mkdirSync(`${to}.partial`);
  await assert.rejects(backupJournal(join(place, "j"), to), /partial is there already/);
  rmSync(`${to}.partial`, { recursive: true });
  await assert.rejects(backupJournal(join(place, "none"), to), isFailed);
  await assert.rejects(backupJournal(join(place, "none"), to), /none: there is no such directory$/);
  const deep = join(place, "mistyped", "copy");
  await assert.rejects(
    backupJournal(join(place, "j"), deep),
    /mistyped: there is no such directory$/,
  );
  const inside = join(place, "j", "copy");
  await assert.rejects(backupJournal(join(place, "j"), inside), /j holds a journal/);
  assert.deepEqual(readdirSync(place), ["j"]);
  assert.ok(!readdirSync(join(place, "j")).some((name) => name.startsWith("copy")));
  const { open } = nodeDisk;
  for (const [code, name] of [
    ["EIO", "BROKERLESS_JOURNAL_FAILED"],
    ["ENOSPC", "BROKERLESS_NO_SPACE"],
  ] as const) {
    let writes = 0;
    t.mock.method(nodeDisk, "open", async (path: string, mode: "create") => {
      if (mode === "create" && ++writes === 3) throw Object.assign(new Error(code), { code });
      return open(path, mode);
    });
    await assert.rejects(backupJournal(join(place, "j"), to), isCode(name));
    t.mock.restoreAll();
    assert.deepEqual(readdirSync(place), ["j"]);
  }
  await journal.close();
});

test("backup: damage is copied and reported, and the files are the owner's alone", async (t) => {
  const place = home(t);
  const journal = await FileJournal.open(join(place, "j"), OPTIONS);
  await append(journal, 20);
  await journal.close();
  const segment = join(place, "j", "0000000002.segment");
  const bytes = readFileSync(segment);
  writeFileSync(segment, bytes.fill(1, 600, 700));
  const report = await backupJournal(join(place, "j"), join(place, "copy"));
  assert.equal(report.ok, false);
  assert.equal(report.damage[0]?.file, "0000000002.segment");
  assert.equal(statSync(join(place, "copy")).mode & 0o777, 0o700);
  for (const name of readdirSync(join(place, "copy"))) {
    assert.equal(statSync(join(place, "copy", name)).mode & 0o777, 0o600);
  }
});
