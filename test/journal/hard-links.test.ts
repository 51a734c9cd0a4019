import assert from "node:assert/strict";
import fs, { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { backupJournal } from "../../lib/journal/backup/backup.ts";
import { nodeDisk } from "../../lib/journal/disk/node-disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { JournalView } from "../../lib/journal/file/journal-view.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";
import { repairJournal } from "../../lib/journal/recovery/repair.ts";

const KINDS = { file: FileJournal, lmdb: LmdbJournal } as const;

/** The error that says what is wrong, and what to do. */
const isLinked = (error: unknown) => {
  assert.ok(error instanceof BrokerlessError && error.code === "BROKERLESS_JOURNAL_FAILED");
  assert.match(error.message, /has 2 names \(hard links\).* copy the files themselves/);
  return true;
};

function makeHome(t: TestContext): { readonly place: string; readonly copy: string } {
  const home = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return { place: join(home, "journal"), copy: join(home, "copy") };
}

/** What `cp -al` does. */
function linkAll({ place, copy }: { readonly place: string; readonly copy: string }): void {
  mkdirSync(copy);
  for (const name of readdirSync(place)) linkSync(join(place, name), join(copy, name));
}

async function fill(Kind: (typeof KINDS)[keyof typeof KINDS], place: string): Promise<void> {
  const journal = await Kind.open(place);
  await journal.append(Buffer.from("start"));
  await journal.close();
}

for (const [kind, Kind] of Object.entries(KINDS)) {
  test(`hard links: ${kind}: a hard-linked copy is refused, and so is its original, until one is removed`, async (t) => {
    const places = makeHome(t);
    await fill(Kind, places.place);
    linkAll(places);
    await assert.rejects(Kind.open(places.copy), isLinked);
    await assert.rejects(Kind.open(places.place), isLinked);
    rmSync(places.copy, { recursive: true });
    await using journal = await Kind.open(places.place);
    assert.equal(journal.seqStored, 1);
  });

  test(`hard links: ${kind}: a hard-linked copy of an open journal is refused while it is open, and afterwards`, async (t) => {
    const places = makeHome(t);
    const journal = await Kind.open(places.place);
    await journal.append(Buffer.from("start"));
    linkAll(places);
    await assert.rejects(Kind.open(places.copy), isLinked);
    await journal.append(Buffer.from("more"));
    await journal.close();
    await assert.rejects(Kind.open(places.copy), isLinked);
    await assert.rejects(Kind.open(places.place), isLinked);
    rmSync(places.copy, { recursive: true });
    await using again = await Kind.open(places.place);
    assert.equal(again.seqStored, 2);
  });
}

for (const name of ["0000000001.segment", "mark", "checkpoint", "reserve", "lock"]) {
  test(`hard links: ${name} alone as a hard link is refused, by a repair too`, async (t) => {
    const { place, copy } = makeHome(t);
    const journal = await FileJournal.open(place, { segmentBytes: 4096 });
    for (let i = 0; i < 40; i++) await journal.append(Buffer.alloc(200));
    await journal.close();
    fs.writeFileSync(join(place, name), "", { flag: "a" });
    const before = readdirSync(place).sort();
    linkSync(join(place, name), copy);
    await assert.rejects(FileJournal.open(place), isLinked);
    await assert.rejects(repairJournal(place), isLinked);
    assert.deepEqual(readdirSync(place).sort(), before);
    rmSync(copy);
    await (await FileJournal.open(place)).close();
  });
}

test("hard links: a file linked after the check is neither written nor emptied", async (t) => {
  const { place, copy } = makeHome(t);
  fs.writeFileSync(place, "precious");
  linkSync(place, copy);
  for (const mode of ["write", "create"] as const) {
    await assert.rejects(nodeDisk.open(copy, mode), isLinked);
  }
  assert.equal(fs.readFileSync(place, "latin1"), "precious");
  rmSync(place);
  await (await nodeDisk.open(copy, "create")).close();
  assert.equal(fs.readFileSync(copy, "latin1"), "");
});

test("hard links: readers and backups are allowed", async (t) => {
  const places = makeHome(t);
  await fill(FileJournal, places.place);
  linkAll(places);
  const view = await JournalView.open(places.copy);
  assert.equal(view.seqStored, 1);
  assert.ok((await view.verify()).ok);
  view.close();
  const whole = `${places.copy}.whole`;
  assert.ok((await backupJournal(places.copy, whole)).ok);
  await using journal = await FileJournal.open(whole);
  assert.equal(journal.seqStored, 1);
});

test("hard links: lmdb: files that are symbolic links are refused", async (t) => {
  const { place, copy } = makeHome(t);
  await fill(LmdbJournal, place);
  mkdirSync(copy);
  fs.symlinkSync(join(place, "data.mdb"), join(copy, "data.mdb"));
  await assert.rejects(LmdbJournal.open(copy), /data\.mdb must be a file of the journal's own/);
});

test("hard links: negative control: without the check a copy overwrites confirmed entries", async (t) => {
  const places = makeHome(t);
  await fill(FileJournal, places.place);
  linkAll(places);
  const { fstatSync, lstatSync } = fs;
  const alone = (stats: fs.Stats | undefined) => stats && Object.assign(stats, { nlink: 1 });
  const plain = { fstatSync: fstatSync as (fd: number) => fs.Stats, lstatSync };
  t.mock.method(fs, "fstatSync", (fd: number) => alone(plain.fstatSync(fd)));
  t.mock.method(fs, "lstatSync", (path: string) =>
    alone(plain.lstatSync(path, { throwIfNoEntry: false })),
  );
  const journal = await FileJournal.open(places.place);
  const other = await FileJournal.open(places.copy);
  assert.equal(await journal.append(Buffer.from("confirmed")), 2);
  await other.append(Buffer.from("something else"));
  await other.close();
  const view = await JournalView.open(places.place);
  const kept: string[] = [];
  for await (const entry of view.read()) kept.push(String(entry.value));
  assert.deepEqual(kept, ["start", "something else"]);
  view.close();
  await journal.close();
});

test("hard links: a directory in the place of a file is named as such", async (t) => {
  const { place } = makeHome(t);
  await (await FileJournal.open(place)).close();
  rmSync(join(place, "reserve"), { force: true });
  fs.mkdirSync(join(place, "reserve"));
  await assert.rejects(FileJournal.open(place), /reserve is a directory, and must be a file/);
});
