import assert from "node:assert/strict";
import {
  chmod,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../../lib/errors.ts";
import type { Disk } from "../../../lib/journal/disk/disk.ts";
import { FileJournal } from "../../../lib/journal/file/file-journal.ts";
import { JournalView } from "../../../lib/journal/file/journal-view.ts";
import { FaultyDisk } from "../../support/faulty-disk.ts";
import { SimDisk } from "../../support/sim-disk.ts";
import { simPorts } from "../../support/sim-ports.ts";

const isCode = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test("file journal: a second writer is refused, with the first one's name in the error", async (t) => {
  const place = await directory(t);
  const journal = await FileJournal.open(join(place, "j"));
  await assert.rejects(FileJournal.open(join(place, "j")), (error) => {
    assert.ok(isCode("BROKERLESS_LOCKED")(error));
    assert.match(String(error), new RegExp(`process ${process.pid} since`));
    return true;
  });
  await symlink(join(place, "j"), join(place, "other-name"));
  await assert.rejects(FileJournal.open(join(place, "other-name")), isCode("BROKERLESS_LOCKED"));
  await journal.close();
  await (await FileJournal.open(join(place, "j"))).close();
});

test("file journal: directories are 0700 and files 0600, and missing parents are created", async (t) => {
  const place = join(await directory(t), "a", "b");
  const journal = await FileJournal.open(place);
  await journal.append(Buffer.from("x"));
  await journal.close();
  assert.equal((await stat(place)).mode & 0o777, 0o700);
  for (const name of await readdir(place)) {
    assert.equal((await stat(join(place, name))).mode & 0o777, 0o600, name);
  }
});

test("file journal: a directory without write permission is refused with an error that says so", async (t) => {
  if (process.getuid?.() === 0) {
    const disk = new FaultyDisk(new SimDisk(), (call) =>
      call === "open" ? { code: "EACCES" } : null,
    );
    await assert.rejects(FileJournal.openWith(simPorts(disk), "/j"), (error) => {
      assert.ok(isCode("BROKERLESS_JOURNAL_FAILED")(error));
      assert.match(String(error), /writable/);
      return true;
    });
    return;
  }
  const place = await directory(t);
  await chmod(place, 0o500);
  await assert.rejects(FileJournal.open(place), isCode("BROKERLESS_JOURNAL_FAILED"));
});

test("file journal: wrong options are a TypeError", async () => {
  for (const options of [
    { sync: "sometimes" },
    { syncIntervalMs: 0 },
    { segmentBytes: 10 },
    { retention: { days: 1 } },
    { retention: { ageMs: -1 } },
    { fsync: true },
  ]) {
    await assert.rejects(FileJournal.open("/nowhere", options as never), TypeError);
  }
  await assert.rejects(FileJournal.open(""), TypeError);
});

test("file journal: all waiting entries are stored with one write and one sync", async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), "/j");
  await journal.append(Buffer.from("first"));
  const before = disk.ops.length;
  await Promise.all(Array.from({ length: 500 }, () => journal.append(Buffer.alloc(100))));
  const kinds = disk.ops
    .slice(before)
    .filter((op) => op.kind === "sync" || (op.kind === "write" && op.bytes.length !== 96))
    .map((op) => op.kind);
  assert.deepEqual(kinds, ["write", "sync"]);
  await journal.close();
});

test("file journal: appenders that one commit resumed share the next one", async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), "/j");
  const rounds = 20;
  const appender = async () => {
    for (let round = 0; round < rounds; round++) await journal.append(Buffer.alloc(10));
  };
  const { commits } = journal.stats();
  await Promise.all(Array.from({ length: 64 }, appender));
  assert.equal(journal.stats().commits - commits, rounds);
  await journal.close();
});

test("file journal: an append after the start of a sync waits for the next one", async () => {
  const disk = new SimDisk();
  let syncs = 0;
  let late: Promise<number> | null = null;
  const faulty = new FaultyDisk(disk, (call) => {
    if (call === "sync" && armed && ++syncs === 1) {
      late = journal.append(Buffer.from("late")).then(() => syncs);
    }
    return null;
  });
  let armed = false;
  const journal = await FileJournal.openWith(simPorts(faulty), "/j");
  armed = true;
  await journal.append(Buffer.from("early"));
  assert.equal(await late, 2);
  await journal.close();
});

test("file journal: a following reader sees nothing of a commit before its sync has ended", async () => {
  let sync: (() => void) | null = null;
  let isGated = false;
  const disk = new SimDisk();
  const gated: Disk = {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    async open(path, mode) {
      const file = await disk.open(path, mode);
      const waits = () => new Promise<void>((resolve) => (sync = resolve));
      return { ...file, sync: () => (isGated ? waits() : file.sync()) };
    },
  };
  const journal = await FileJournal.openWith(simPorts(gated), "/j");
  await journal.append(Buffer.from("1"));
  isGated = true;
  const append = journal.append(Buffer.from("2"));
  while (sync === null) await new Promise(setImmediate);
  const seen: number[] = [];
  const following = (async () => {
    for await (const { seq } of journal.read({ follow: true })) {
      seen.push(seq);
      if (seq === 2) return;
    }
  })();
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.deepEqual(seen, [1]);
  isGated = false;
  (sync as () => void)();
  assert.equal(await append, 2);
  await following;
  await journal.close();
});

test("file journal: without a sync for each commit, sync() makes everything durable", async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), "/j", { sync: "never" });
  const kinds = () =>
    disk.ops
      .filter((op) => op.kind === "sync" || (op.kind === "write" && op.bytes.length !== 96))
      .map((op) => op.kind);
  await journal.append(Buffer.from("x"));
  assert.equal(kinds().at(-1), "write");
  await journal.sync();
  assert.deepEqual(kinds().slice(-2), ["write", "sync"]);
  await journal.close();
});

test("file journal: with sync interval it syncs by itself when there is something to sync", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const disk = new SimDisk();
  const options = { sync: "interval", syncIntervalMs: 50 } as const;
  const journal = await FileJournal.openWith(simPorts(disk), "/j", options);
  await journal.append(Buffer.from("x"));
  const syncs = () => journal.stats().syncs;
  const before = syncs();
  t.mock.timers.tick(50);
  await new Promise(setImmediate);
  assert.equal(syncs(), before + 1);
  t.mock.timers.tick(500);
  await new Promise(setImmediate);
  assert.equal(syncs(), before + 1);
  await journal.close();
});

test("file journal: bytesNeeded counts entries that are not freed, though whole segments are kept", async () => {
  const ports = simPorts(new SimDisk());
  const open = (segmentBytes: number) => FileJournal.openWith(ports, "/j", { segmentBytes });
  const journal = await open(2 ** 20);
  assert.equal(journal.stats().bytesNeeded, 0);
  for (let seq = 1; seq <= 100; seq++) await journal.append(Buffer.alloc(1_000));
  const { bytesKept, bytesNeeded } = journal.stats();
  assert.equal(bytesNeeded, bytesKept);
  await journal.truncateBefore(76);
  assert.equal(Math.round(journal.stats().bytesNeeded! / (bytesKept / 100)), 25);
  await journal.close();
  const reopened = await open(4_096);
  assert.equal(Math.round(reopened.stats().bytesNeeded! / (bytesKept / 100)), 25);
  for (let seq = 101; seq <= 175; seq++) await reopened.append(Buffer.alloc(1_000));
  // Each of the small segments has a header.
  assert.equal(Math.floor(reopened.stats().bytesNeeded! / (bytesKept / 10)), 10);
  await reopened.truncateBefore(176);
  assert.equal(reopened.stats().bytesNeeded, 0);
  await reopened.close();
});

test("file journal: retention frees whole segments by bytes, count and age, never past a hold", async () => {
  for (const retention of [{ bytes: 20_000 }, { count: 50 }, { ageMs: 100 }]) {
    const ports = simPorts(new SimDisk());
    const options = { segmentBytes: 4096, retention };
    const journal = await FileJournal.openWith(ports, "/j", options);
    for (let seq = 1; seq <= 300; seq++) await journal.append(Buffer.alloc(200));
    await journal.sync();
    assert.ok(journal.seqFirst > 100, `${JSON.stringify(retention)}: ${journal.seqFirst}`);
    assert.ok(journal.stats().bytesKept < 60_000);
    await journal.hold("slow", journal.seqFirst + 3);
    const held = journal.seqFirst + 3;
    for (let seq = 1; seq <= 300; seq++) await journal.append(Buffer.alloc(200));
    assert.ok(journal.seqFirst <= held);
    await journal.close();
  }
});

test("file journal: a view stops at the mark, whatever follows it in the file", async (t) => {
  const root = await directory(t);
  const place = join(root, "journal");
  const journal = await FileJournal.open(place);
  await journal.append(Buffer.from("1"));
  await journal.sync();
  const mark = await readFile(join(place, "mark"));
  await journal.append(Buffer.from("2"));
  await journal.sync();
  const other = join(root, "copy");
  await cp(place, other, { recursive: true });
  await writeFile(join(other, "mark"), mark);
  const view = await JournalView.open(other);
  const seqs: number[] = [];
  for await (const { seq } of view.read()) seqs.push(seq);
  assert.deepEqual(seqs, [1]);
  view.close();
  await journal.close();
});

test("file journal: a view reads up to the mark, and follows the log across segments", async (t) => {
  const place = await directory(t);
  const journal = await FileJournal.open(place, { segmentBytes: 4096 });
  await journal.append(Buffer.from("1"));
  await journal.sync();
  const view = await JournalView.open(place);
  assert.equal(view.stream, journal.stream);
  const seqs: number[] = [];
  for await (const entry of view.read({ follow: true })) {
    seqs.push(entry.seq);
    if (entry.seq === 40) break;
    await journal.append(Buffer.alloc(500));
  }
  assert.deepEqual(
    seqs,
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
  assert.equal((await view.verify()).ok, true);
  view.close();
  await journal.close();
});
