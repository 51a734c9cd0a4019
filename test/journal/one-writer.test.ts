import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { LOCK_NAME, lockDirectory } from "../../lib/journal/disk/directory-lock.ts";
import { type JournalPorts, nodePorts } from "../../lib/journal/disk/ports.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";
import { repairJournal } from "../../lib/journal/recovery/repair.ts";
import { Program } from "../support/program.ts";
import { startThread } from "../support/thread.ts";

const isCode = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;
const isLocked = isCode("BROKERLESS_LOCKED");
const isFailed = isCode("BROKERLESS_JOURNAL_FAILED");

const HOLDER = new URL("../support/journal-holder.ts", import.meta.url);
const THREAD = new URL("../support/journal-thread.ts", import.meta.url).href;
const KINDS = { file: FileJournal, lmdb: LmdbJournal } as const;

function directory(t: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "brokerless-")));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Negative control: the lock is taken, and not looked at again. */
const LOOKING_AWAY: JournalPorts = {
  ...nodePorts,
  lock: async (place) => ({ ...(await lockDirectory(place)), assertHeld() {}, async release() {} }),
};

for (const [kind, Kind] of Object.entries(KINDS)) {
  test(`one writer: ${kind}: a second open in the same thread is refused, with the holder's name in the error`, async (t) => {
    const place = join(directory(t), "q.d");
    const journal = await Kind.open(place);
    await assert.rejects(Kind.open(place), (error) => {
      assert.ok(isLocked(error));
      assert.match(String(error), new RegExp(`process ${process.pid} since .* on host `));
      return true;
    });
    await journal.append(Buffer.from("x"));
    await journal.close();
    assert.ok(!existsSync(join(place, LOCK_NAME)));
    await (await Kind.open(place)).close();
  });

  test(`one writer: ${kind}: another process is refused until the holder dies, in any way`, async (t) => {
    const place = directory(t);
    const first = new Program(t, HOLDER);
    assert.match(await first.start([kind, place]), /^opened/);
    await assert.rejects(Kind.open(place), isLocked);
    const second = new Program(t, HOLDER);
    assert.match(await second.start([kind, place]), /^BROKERLESS_LOCKED/);
    await first.kill();
    assert.ok(existsSync(join(place, LOCK_NAME)), "a killed process leaves its file");
    await (await Kind.open(place)).close();
  });

  test(`one writer: ${kind}: an append after the removal of the directory is not stored`, async (t) => {
    const place = join(directory(t), "j");
    const journal = await Kind.open(place);
    await journal.append(Buffer.from("before"));
    rmSync(place, { recursive: true });
    await assert.rejects(async () => journal.append(Buffer.from("after")), isFailed);
    await journal.close();
    assert.ok(!existsSync(place));
  });
}

test("one writer: sync and close of an idle journal report that its directory is gone", async (t) => {
  for (const call of ["sync", "close"] as const) {
    const place = join(directory(t), "j");
    const journal = await FileJournal.open(place);
    await journal.append(Buffer.from("before"));
    rmSync(place, { recursive: true });
    await assert.rejects(journal[call](), isFailed);
    await journal.close().catch(() => {});
  }
});

test("one writer: a process in another network namespace is refused", async (t) => {
  if (spawnSync("unshare", ["-n", "true"]).status !== 0) {
    t.skip("not allowed to make a network namespace");
    return;
  }
  const place = directory(t);
  const journal = await FileJournal.open(place);
  const other = new Program(t, HOLDER, ["unshare", "-n"]);
  assert.match(await other.start(["file", place]), /^BROKERLESS_LOCKED/);
  await journal.close();
});

test("one writer: another thread is refused", async (t) => {
  const place = directory(t);
  const journal = await FileJournal.open(place);
  const [during] = await once(startThread(THREAD, place), "message");
  assert.equal(during, "BROKERLESS_LOCKED");
  await journal.close();
  const [after] = await once(startThread(THREAD, place), "message");
  assert.equal(after, "opened");
});

test("one writer: a repair is refused while it runs", async (t) => {
  const place = directory(t);
  const journal = await FileJournal.open(place);
  await assert.rejects(repairJournal(place), isLocked);
  await journal.close();
});

test("one writer: a lock file without a lock is stale, whatever its content, and one of many openers gets it", async (t) => {
  for (const text of ["", "x", "1", String(process.pid), '{"pid":1,"host":"h","since":"now"}']) {
    const place = directory(t);
    writeFileSync(join(place, LOCK_NAME), text);
    const opens = await Promise.allSettled(
      Array.from({ length: 8 }, () => FileJournal.open(place)),
    );
    const opened = opens.filter((open) => open.status === "fulfilled");
    assert.equal(opened.length, 1, JSON.stringify(text));
    for (const open of opens) if (open.status === "rejected") assert.ok(isLocked(open.reason));
    await opened[0]!.value.close();
  }
});

test("one writer: a lock file that its holder removes between the open and the lock is not used", async (t) => {
  const place = directory(t);
  const path = join(place, LOCK_NAME);
  writeFileSync(path, "");
  const { fstatSync } = fs;
  let isRemoved = false;
  // The first look at what was opened: as if another process released the lock just then.
  t.mock.method(fs, "fstatSync", (fd: number) => {
    if (!isRemoved) rmSync(path);
    isRemoved = true;
    return fstatSync(fd);
  });
  const lock = await lockDirectory(place);
  assert.ok(isRemoved && existsSync(path));
  await assert.rejects(lockDirectory(place), isLocked);
  lock.assertHeld();
  await lock.release();
});

test("one writer: negative control: without a lock every opener succeeds", async (t) => {
  const place = directory(t);
  const noLock = async () => ({ assertHeld() {}, async release() {} });
  await (await FileJournal.open(place)).close();
  const opens = [1, 2].map(() => FileJournal.openWith({ ...nodePorts, lock: noLock }, place));
  const opened = (await Promise.allSettled(opens)).filter((open) => open.status === "fulfilled");
  assert.equal(opened.length, 2);
  for (const { value } of opened) await value.close();
});

test("one writer: foreign content of the lock file is not shown", async (t) => {
  const place = directory(t);
  const journal = await FileJournal.open(place);
  const holder = { pid: "\u001b[2J1", host: "h", since: "2026-01-01T00:00:00.000Z" };
  writeFileSync(join(place, LOCK_NAME), JSON.stringify(holder));
  await assert.rejects(FileJournal.open(place), /a process that has not identified itself/);
  await journal.close();
});

test("one writer: a lock file that is a link or a pipe is refused, and nothing outside is written", async (t) => {
  const home = directory(t);
  const victim = join(home, "victim");
  writeFileSync(victim, "precious");
  mkdirSync(join(home, "j"));
  symlinkSync(victim, join(home, "j", LOCK_NAME));
  await assert.rejects(FileJournal.open(join(home, "j")), isFailed);
  assert.equal(statSync(victim).size, 8);
  rmSync(join(home, "j", LOCK_NAME));
  execFileSync("mkfifo", [join(home, "j", LOCK_NAME)]);
  await assert.rejects(FileJournal.open(join(home, "j")), /must be a file/);
});

test("one writer: a directory that everybody can write to is made private", async (t) => {
  const place = directory(t);
  for (const [before, after] of [
    [0o777, 0o700],
    [0o755, 0o755],
    [0o1777, 0o1777],
  ] as const) {
    chmodSync(place, before);
    await (await FileJournal.open(place)).close();
    assert.equal(statSync(place).mode & 0o7777, after);
  }
});

test("one writer: a relative path stays valid when the working directory changes", async (t) => {
  const home = directory(t);
  const before = process.cwd();
  t.after(() => process.chdir(before));
  process.chdir(home);
  const journal = await FileJournal.open("j", { segmentBytes: 4096 });
  mkdirSync(join(home, "elsewhere"));
  process.chdir("elsewhere");
  for (let i = 0; i < 50; i++) await journal.append(Buffer.alloc(200));
  await journal.close();
  assert.deepEqual(readdirSync("."), []);
  const again = await FileJournal.open(relative(process.cwd(), join(home, "j")));
  assert.equal(again.seqStored, 50);
  await again.close();
});

test("one writer: a replaced directory is not written to, at every sync level, nor by freeing", async (t) => {
  for (const sync of ["always", "interval", "never"] as const) {
    const home = directory(t);
    const place = join(home, "j");
    const old = await FileJournal.open(place, { sync, segmentBytes: 4096 });
    for (let i = 0; i < 50; i++) await old.append(Buffer.alloc(200));
    renameSync(place, join(home, "moved"));
    const other = await FileJournal.open(place, { segmentBytes: 4096 });
    for (let i = 0; i < 50; i++) await other.append(Buffer.alloc(200, 1));
    const names = readdirSync(place).sort();
    await assert.rejects(old.truncateBefore(40), isFailed, sync);
    await assert.rejects(async () => old.append(Buffer.alloc(4096)), isFailed, sync);
    // What its timer met is told by close.
    await old.close().catch((error: unknown) => assert.ok(isFailed(error)));
    assert.deepEqual(readdirSync(place).sort(), names, sync);
    assert.ok((await other.verify()).ok);
    await other.close();
  }
});

test("one writer: negative control: without the check, entries are stored in a removed directory", async (t) => {
  const place = join(directory(t), "j");
  const journal = await FileJournal.openWith(LOOKING_AWAY, place);
  await journal.append(Buffer.from("before"));
  rmSync(place, { recursive: true });
  assert.equal(await journal.append(Buffer.from("after")), 2);
  await journal.close().catch(() => {});
});

test("one writer: a directory behind a dangling link is refused at once", async (t) => {
  const home = directory(t);
  symlinkSync(join(home, "not mounted"), join(home, "data"));
  for (const place of [join(home, "data"), join(home, "data", "a", "b"), "/proc/none/queue"]) {
    await assert.rejects(FileJournal.open(place), isFailed);
    await assert.rejects(LmdbJournal.open(place), isFailed);
  }
});

test("one writer: a directory behind a link can be used, and is locked under each of its names", async (t) => {
  const home = directory(t);
  mkdirSync(join(home, "real"));
  symlinkSync(join(home, "real"), join(home, "name"));
  const journal = await FileJournal.open(join(home, "name"));
  await assert.rejects(FileJournal.open(join(home, "real")), isLocked);
  await journal.close();
});
