import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { ValuesFirst } from "../../lib/journal/commit/values-first.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { DIRECTORY, entryValue } from "../support/crash-model.ts";
import { type DiskCall, FaultyDisk } from "../support/faulty-disk.ts";
import { Random } from "../support/random.ts";
import { DurableState, SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

const SEGMENT = { segmentBytes: 4096 };

const isNoSpace = (error: unknown) =>
  error instanceof BrokerlessError && error.code === "BROKERLESS_NO_SPACE" && error.retryable;

/** A disk with so much room; what is written over does not need any, and what is removed gives some. */
class SmallDisk extends FaultyDisk {
  readonly disk: SimDisk;
  room: number = Number.POSITIVE_INFINITY;

  constructor(disk: SimDisk = new SimDisk()) {
    super(disk, (call, _, bytes) => {
      if (call !== "write" || bytes === 96) return null;
      if (bytes > this.room) return { code: "ENOSPC" };
      this.room -= bytes;
      return null;
    });
    this.disk = disk;
  }

  override async unlink(path: string): Promise<void> {
    const bytes = this.disk.paths.includes(path) ? this.disk.peek(path).length : 0;
    await super.unlink(path);
    this.room += bytes;
  }
}

/** A journal whose newest segment is full, on a disk without room. */
async function fullAtRollover(small: SmallDisk): Promise<FileJournal> {
  const journal = await FileJournal.openWith(simPorts(small), DIRECTORY, SEGMENT);
  for (let seq = 1; seq <= 6; seq++) await journal.append(Buffer.alloc(4096, seq));
  await journal.sync();
  small.room = 0;
  await assert.rejects(async () => journal.append(Buffer.alloc(100)), isNoSpace);
  return journal;
}

test("disk full: behind a full segment values are stored, and what they free is freed", async () => {
  const small = new SmallDisk();
  const journal = await fullAtRollover(small);
  await journal.set({ cursor: Buffer.from("5") });
  assert.equal(await journal.truncateBefore(6), 6);
  assert.ok(!small.disk.paths.includes(`${DIRECTORY}/0000000005.segment`));
  small.room = Number.POSITIVE_INFINITY;
  assert.equal(await journal.append(entryValue(7)), 7);
  await journal.close();
  const next = await FileJournal.openWith(simPorts(small.disk.clone(), 2), DIRECTORY, SEGMENT);
  assert.deepEqual([next.seqFirst, next.seqStored, String(next.get("cursor"))], [6, 7, "5"]);
  assert.ok((await next.verify()).ok);
  await next.close();
});

test("disk full: who appends on and on does not keep values from being stored", async () => {
  const small = new SmallDisk();
  const journal = await fullAtRollover(small);
  let isSaved = false;
  const sending = (async () => {
    // In every group there is an entry, and more wait behind it.
    while (!isSaved) {
      const sends = [journal.append(entryValue(7)), journal.append(entryValue(8))];
      await Promise.allSettled(sends);
    }
  })();
  let tries = 0;
  for (; !isSaved && tries < 1_000; tries++) {
    isSaved = await journal.set({ cursor: Buffer.from("5") }).then(
      () => true,
      () => false,
    );
  }
  assert.ok(isSaved, `not in ${tries} tries`);
  await sending;
  small.room = Number.POSITIVE_INFINITY;
  assert.equal(await journal.append(entryValue(7)), 7);
  await journal.close();
});

test("disk full: negative control: without values first, who appends keeps them out for good", async (t) => {
  t.mock.method(ValuesFirst.prototype, "failed", () => {});
  const journal = await fullAtRollover(new SmallDisk());
  for (let tries = 0; tries < 50; tries++) {
    const outcomes = await Promise.allSettled([
      journal.append(entryValue(7)),
      journal.set({ cursor: Buffer.from("5") }),
    ]);
    for (const { status } of outcomes) assert.equal(status, "rejected");
  }
  await journal.close().catch(() => {});
});

test("disk full: values that failed once, with entries that were too large, keep no others out", async () => {
  const small = new SmallDisk();
  const journal = await FileJournal.openWith(simPorts(small), DIRECTORY, SEGMENT);
  const fail = async () => {
    small.room = 0;
    const values = { cursor: Buffer.from("5") };
    const calls = [journal.append(Buffer.alloc(4_000)), journal.set(values)];
    for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
    small.room = Number.POSITIVE_INFINITY;
  };
  await fail();
  assert.equal(await journal.append(entryValue(1)), 1);
  // The control: the second time they go first.
  await fail();
  await assert.rejects(async () => journal.append(entryValue(2)), isNoSpace);
  await journal.set({ cursor: Buffer.from("5") });
  assert.equal(await journal.append(entryValue(2)), 2);
  await journal.close();
});

test("disk full: close succeeds, and the next open reads what the checkpoint would have told", async () => {
  const small = new SmallDisk();
  const journal = await fullAtRollover(small);
  await journal.close();
  const next = await FileJournal.openWith(simPorts(small.disk.clone(), 2), DIRECTORY, SEGMENT);
  assert.deepEqual([next.recovery.clean, next.seqStored], [false, 6]);
  await next.close();
});

for (const code of ["EMFILE", "ENFILE"]) {
  test(`no descriptor (${code}): each open fails once, and the journal goes on`, async () => {
    for (let index = 0; ; index++) {
      const disk = new SimDisk();
      let opens = 0;
      const faulty = new FaultyDisk(disk, (call: DiskCall) =>
        call === "open" && opens++ === index ? { code } : null,
      );
      const open = () => FileJournal.openWith(simPorts(faulty), DIRECTORY, SEGMENT);
      let journal: FileJournal;
      try {
        journal = await open();
      } catch (error) {
        assert.ok(isNoSpace(error), String(error));
        journal = await open();
      }
      let seq = 1;
      while (seq <= 30) {
        try {
          assert.equal(await journal.append(entryValue(seq)), seq);
          seq++;
        } catch (error) {
          assert.ok(isNoSpace(error), String(error));
          assert.match(String(error), /no file descriptor is left/);
        }
      }
      await journal.truncateBefore(20);
      await journal.close();
      const next = await FileJournal.openWith(simPorts(disk.clone(), 2), DIRECTORY, SEGMENT);
      assert.equal(next.seqStored, 30);
      assert.ok((await next.verify()).ok);
      await next.close();
      if (opens <= index) return;
    }
  });
}

/** What beginning a segment asks of the disk, in order. */
const ROLL_CALLS: readonly DiskCall[] = [
  // The old one is trimmed and synced;
  "truncate",
  "sync",
  // the new one made, and named;
  "open",
  "write",
  "sync",
  "rename",
  "syncDirectory",
  // the old one closed, and the mark written.
  "close",
  "write",
  "sync",
];
/** A sync needs no descriptor: what one that fails has left nobody knows, whatever it says. */
const OLD_SYNC = 1;

interface Rolled {
  readonly disk: SimDisk;
  readonly journal: FileJournal;
  /** Calls of the disk since the segment was to be begun. */
  readonly calls: DiskCall[];
  /** The append that needs a new segment. */
  readonly append: Promise<number>;
  /** Every open fails from now on, or none. */
  lacks(isLacking: boolean): void;
}

/** A journal whose next append needs a segment, for which the call with that index fails once. */
async function roll(code: string, at: number, sync: "always" | "interval"): Promise<Rolled> {
  const disk = new SimDisk();
  const calls: DiskCall[] = [];
  let isRolling = false;
  let isLacking = false;
  const faulty = new FaultyDisk(disk, (call) => {
    if (!isRolling) return null;
    const isHit = calls.push(call) - 1 === at;
    return isHit || (isLacking && call === "syncDirectory") ? { code } : null;
  });
  const options = { ...SEGMENT, sync };
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY, options);
  for (let seq = 1; seq <= 3; seq++) await journal.append(Buffer.alloc(500, seq));
  await journal.sync();
  isRolling = true;
  const lacks = (is: boolean) => {
    isLacking = is;
  };
  return { disk, journal, calls, append: Promise.resolve(journal.append(large(4))), lacks };
}

function large(seq: number): Buffer {
  return Buffer.alloc(3000, seq);
}

/** Entries of a disk, as a journal that opens it has them (first byte of each). */
async function entriesOf(disk: SimDisk, where: string): Promise<number[]> {
  const journal = await FileJournal.openWith(simPorts(disk, 2), DIRECTORY, SEGMENT);
  assert.ok((await journal.verify()).ok, where);
  const found: number[] = [];
  for await (const { value } of journal.read()) found.push(value[0]!);
  assert.deepEqual(
    found,
    found.map((_, index) => index + 1),
    where,
  );
  await journal.close();
  return found;
}

/** What a power cut leaves when the disk had seen so many changes. */
function cutAt(disk: SimDisk, opCount: number): SimDisk {
  const state = new DurableState();
  for (const op of disk.ops.slice(0, opCount)) state.apply(op);
  return state.crash(new Random(opCount));
}

for (const sync of ["always", "interval"] as const) {
  for (const code of ["EMFILE", "ENFILE"]) {
    test(`no descriptor (${code}, sync ${sync}): each call of a new segment fails once, and the journal goes on`, async () => {
      for (const [at, name] of ROLL_CALLS.entries()) {
        if (at === OLD_SYNC) continue;
        const where = `${code} at call ${at}, ${name}`;
        const { disk, journal, calls, append } = await roll(code, at, sync);
        const before = disk.ops.length;
        const isStored = await append.then(
          (seq) => seq === 4,
          (error: unknown) => {
            assert.ok(isNoSpace(error), `${where}: ${error}`);
            return false;
          },
        );
        assert.equal(isStored, at > 6, where);
        assert.deepEqual(calls.slice(0, at + 1), ROLL_CALLS.slice(0, at + 1));
        // It would have fitted into the old one.
        if (!isStored) assert.equal(await journal.append(Buffer.alloc(10, 4)), 4, where);
        await journal.set({ cursor: Buffer.from("4") });
        assert.equal(await journal.append(large(5)), 5, where);
        await journal.sync();
        const synced = disk.ops.length;
        assert.equal((await entriesOf(disk.clone(), where)).length, 5, where);
        for (let op = before; op <= synced; op++) {
          const found = await entriesOf(cutAt(disk, op), `${where}, cut at change ${op}`);
          assert.ok(found.length >= (op === synced ? 5 : 3), `${where}, cut at change ${op}`);
        }
        await journal.close();
        assert.equal((await entriesOf(disk.clone(), where)).length, 5, where);
      }
    });
  }
}

test("no descriptor: a sync that fails is final all the same", async () => {
  const { journal, append } = await roll("EMFILE", OLD_SYNC, "always");
  const isFailed = (error: unknown) =>
    error instanceof BrokerlessError && error.code === "BROKERLESS_JOURNAL_FAILED";
  await assert.rejects(append, isFailed);
  await journal.close();
});

test("no descriptor: while a new segment's name is not durable nothing is written, and close succeeds", async () => {
  const { disk, journal, append, lacks } = await roll("EMFILE", -1, "always");
  lacks(true);
  await assert.rejects(append, isNoSpace);
  await assert.rejects(journal.set({ cursor: Buffer.from("4") }), isNoSpace);
  await assert.rejects(async () => journal.append(Buffer.alloc(10, 4)), isNoSpace);
  assert.equal((await entriesOf(disk.clone(), "before the close")).length, 3);
  await journal.close();
  assert.equal((await entriesOf(disk.clone(), "after the close")).length, 3);
});

test("no descriptor: a removal whose directory could not be opened is done again", async () => {
  const disk = new SimDisk();
  let isLacking = false;
  const faulty = new FaultyDisk(disk, (call) =>
    isLacking && call === "syncDirectory" ? { code: "EMFILE" } : null,
  );
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY, SEGMENT);
  for (let seq = 1; seq <= 6; seq++) await journal.append(Buffer.alloc(4096, seq));
  await journal.append(entryValue(7));
  isLacking = true;
  await assert.rejects(journal.truncateBefore(3), isNoSpace);
  // What is freed is a gap, whether its file is there or not.
  await assert.rejects(async () => {
    for await (const _ of journal.read({ from: 1 })) break;
  }, /keeps 3 and later/);
  isLacking = false;
  await journal.truncateBefore(5);
  assert.equal(journal.seqFirst, 5);
  for await (const { seq } of journal.read()) assert.ok(seq >= 5);
  await journal.close();
  const names = disk.paths.filter((path) => path.endsWith(".segment"));
  assert.equal(names.length, 3);
});

test("a failed sync that nobody waits for is told by close, and by sync, once", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  for (const asks of [false, true]) {
    const disk = new SimDisk();
    const options = { sync: "interval", syncIntervalMs: 50 } as const;
    const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, options);
    await journal.append(entryValue(1));
    disk.failsNextSync = true;
    t.mock.timers.tick(50);
    await new Promise(setImmediate);
    const isFailed = (error: unknown) =>
      error instanceof BrokerlessError && error.code === "BROKERLESS_JOURNAL_FAILED";
    if (asks) await assert.rejects(journal.sync(), isFailed);
    if (asks) await journal.close();
    else await assert.rejects(journal.close(), isFailed);
  }
});
