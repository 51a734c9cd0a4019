import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { DIRECTORY, entryValue, OPTIONS } from "../support/crash-model.ts";
import { FaultyDisk, type Plan } from "../support/faulty-disk.ts";
import { Random } from "../support/random.ts";
import { DurableState, SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

const ENTRIES = 24;
const ALLOWED = new Set(["BROKERLESS_JOURNAL_FAILED", "BROKERLESS_NO_SPACE"]);

interface Outcome {
  readonly disk: SimDisk;
  readonly calls: number;
  /** Highest seq whose append resolved. */
  readonly stored: number;
  readonly failed: number;
  /** Changes to the disk when an append resolved, and its seq. */
  readonly promises: readonly (readonly [opCount: number, seq: number])[];
  /** Changes to the disk before the first fault (count). */
  readonly faultAt: number;
}

/** Appends one by one, frees, closes and reopens, going on after every failure that allows it. */
async function work(plan: Plan): Promise<Outcome> {
  const disk = new SimDisk();
  let faultAt: number | null = null;
  const faulty = new FaultyDisk(disk, (...call) => {
    const fault = plan(...call);
    if (fault !== null) faultAt ??= disk.ops.length;
    return fault;
  });
  const promises: [number, number][] = [];
  let stored = 0;
  let failed = 0;
  const attempt = async (step: () => PromiseLike<unknown>) => {
    try {
      await step();
      return true;
    } catch (error) {
      assert.ok(error instanceof BrokerlessError && ALLOWED.has(error.code), String(error));
      failed++;
      return false;
    }
  };
  for (let session = 0; session < 3; session++) {
    let journal: FileJournal | null = null;
    await attempt(async () => {
      journal = await FileJournal.openWith(simPorts(faulty, session), DIRECTORY, OPTIONS);
    });
    if (journal === null) continue;
    const open = journal as FileJournal;
    assert.ok(open.seqStored >= stored, `session ${session} lost ${stored}, has ${open.seqStored}`);
    for (let count = 0; count < ENTRIES / 3; count++) {
      const seq = open.seqNext;
      const values = { cursor: Buffer.from(String(seq)) };
      if (!(await attempt(() => open.append(entryValue(seq), { values })))) continue;
      stored = seq;
      promises.push([disk.ops.length, seq]);
    }
    await attempt(() => open.truncateBefore(Math.max(1, stored - 4)));
    await attempt(() => open.close());
  }
  return { disk, calls: faulty.calls, stored, failed, promises, faultAt: faultAt ?? 0 };
}

async function checkAfter({ disk, stored }: Outcome, where: string): Promise<void> {
  const journal = await FileJournal.openWith(simPorts(disk, 99), DIRECTORY, OPTIONS);
  assert.ok(journal.seqStored >= stored, `${where}: lost, ${journal.seqStored} < ${stored}`);
  let seq = journal.seqFirst;
  for await (const entry of journal.read()) {
    assert.equal(entry.seq, seq, where);
    assert.ok(entry.value.equals(entryValue(seq)), `${where}: wrong value at ${seq}`);
    seq++;
  }
  assert.equal(seq, journal.seqStored + 1, where);
  assert.equal((await journal.verify()).ok, true, where);
  await journal.close();
}

/** What is left after a power cut when the disk had seen so many changes. */
function cut(outcome: Outcome, opCount: number, seed: number): Outcome {
  const state = new DurableState();
  for (const op of outcome.disk.ops.slice(0, opCount)) state.apply(op);
  const stored = outcome.promises.findLast(([before]) => before <= opCount)?.[1] ?? 0;
  return { ...outcome, stored, disk: state.crash(new Random(seed)) };
}

/** Opens what is left as it is, and after power cuts: at the end, and soon after the fault. */
async function checkAll(outcome: Outcome, where: string, seed: number): Promise<void> {
  const { faultAt, disk } = outcome;
  for (const opCount of [faultAt + 4, faultAt + 9, faultAt + 16, disk.ops.length]) {
    const left = cut(outcome, Math.min(opCount, disk.ops.length), seed);
    await checkAfter(left, `${where}, then a power cut at change ${opCount}`);
  }
  await checkAfter(outcome, where);
}

for (const code of ["EIO", "ENOSPC"]) {
  test(`disk faults: each call failing once with ${code}, at each index, loses nothing`, async (t) => {
    const { calls } = await work(() => null);
    for (let at = 0; at < calls; at++) {
      const outcome = await work((_, index) => (index === at ? { code } : null));
      await checkAll(outcome, `${code} at call ${at}`, at);
    }
    t.diagnostic(`${calls} calls`);
  });

  test(`disk faults: every call failing with ${code} from each index on loses nothing`, async () => {
    const { calls } = await work(() => null);
    for (let at = 0; at < calls; at++) {
      const outcome = await work((_, index) => (index >= at ? { code } : null));
      await checkAll(outcome, `${code} from call ${at} on`, at);
    }
  });
}

test("disk faults: short writes are finished", async () => {
  const random = new Random(5);
  const outcome = await work((call, _, bytes) =>
    call === "write" && random.chance(0.5) ? { writeBytes: 1 + random.below(bytes) } : null,
  );
  assert.deepEqual([outcome.stored, outcome.failed], [ENTRIES, 0]);
  await checkAfter(outcome, "short writes");
});

test("disk full: a write that goes half-way is taken back, and the journal goes on", async (t) => {
  const { disk } = await work(() => null);
  const total = disk.ops.reduce((sum, op) => sum + (op.kind === "write" ? op.bytes.length : 0), 0);
  const points = 200;
  for (let point = 0; point < points; point++) {
    let room = Math.floor((total * point) / points);
    let refusals = 0;
    const outcome = await work((call, _, bytes) => {
      if (call !== "write" || refusals > 1) return null;
      if (bytes <= room) {
        room -= bytes;
        return null;
      }
      refusals++;
      const writeBytes = room;
      room = 0;
      return writeBytes === 0 ? { code: "ENOSPC" } : { writeBytes };
    });
    // Space came back after some refusals: the last appends must be stored without a restart.
    assert.ok(outcome.stored > 0, `point ${point}`);
    await checkAll(outcome, `full at point ${point}`, point);
  }
  t.diagnostic(`${points} points`);
});

test("disk full: what fails together is rejected together, and its seqs are given anew", async () => {
  let isFull = false;
  const plan: Plan = (call) => (isFull && call === "write" ? { code: "ENOSPC" } : null);
  const faulty = new FaultyDisk(new SimDisk(), plan);
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY);
  await journal.append(entryValue(1));
  isFull = true;
  const codes = await Promise.all(
    [2, 3].map((seq) =>
      journal.append(entryValue(seq)).then(
        () => "stored",
        (error: unknown) =>
          error instanceof BrokerlessError ? `${error.code} ${error.retryable}` : error,
      ),
    ),
  );
  assert.deepEqual(codes, ["BROKERLESS_NO_SPACE true", "BROKERLESS_NO_SPACE true"]);
  assert.deepEqual([journal.seqStored, journal.seqNext], [1, 2]);
  isFull = false;
  assert.equal(await journal.append(entryValue(2)), 2);
  await journal.close();
});

test("disk full: what was refused is not there after a crash, not even the part that fitted", async () => {
  const disk = new SimDisk();
  let room = Number.POSITIVE_INFINITY;
  const faulty = new FaultyDisk(disk, (call, _, bytes) => {
    if (call !== "write" || bytes === 96 || bytes <= room) return null;
    const writeBytes = room;
    room = 0;
    return writeBytes === 0 ? { code: "ENOSPC" } : { writeBytes };
  });
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY, OPTIONS);
  await journal.append(entryValue(1));
  room = 2000;
  // One commit of several batches: the first of them are on the disk whole when it is full.
  const appends = [2, 3, 4, 5, 6, 7, 8].map((seq) => journal.append(entryValue(seq)));
  const outcomes = await Promise.allSettled(appends);
  assert.deepEqual([...new Set(outcomes.map(({ status }) => status))], ["rejected"]);
  const next = await FileJournal.openWith(simPorts(disk.clone(), 2), DIRECTORY, OPTIONS);
  assert.equal(next.seqStored, 1);
  await next.close();
  room = Number.POSITIVE_INFINITY;
  await journal.close();
});

test("disk full: a loss that nobody awaits is reported by sync, once", async () => {
  let isFull = true;
  const faulty = new FaultyDisk(new SimDisk(), (call) =>
    isFull && call === "write" ? { code: "ENOSPC" } : null,
  );
  isFull = false;
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY);
  isFull = true;
  journal.append(entryValue(1));
  const noSpace = (error: unknown) => (error as BrokerlessError).code === "BROKERLESS_NO_SPACE";
  await assert.rejects(journal.sync(), noSpace);
  isFull = false;
  await journal.sync();
  await journal.append(entryValue(1));
  await journal.close();
});

test("a failed sync poisons the journal: every waiter and every later call fails", async () => {
  let broken = false;
  const faulty = new FaultyDisk(new SimDisk(), (call) =>
    broken && call === "sync" ? { code: "EIO" } : null,
  );
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY);
  await journal.append(entryValue(1));
  broken = true;
  const failed = (error: unknown) =>
    (error as BrokerlessError).code === "BROKERLESS_JOURNAL_FAILED";
  const waiting = [journal.append(entryValue(2)), journal.append(entryValue(3))];
  for (const append of waiting) await assert.rejects(append, failed);
  // The next sync would say that all is well; nobody may ask it.
  broken = false;
  await assert.rejects(journal.append(entryValue(2)), failed);
  await assert.rejects(journal.sync(), failed);
  assert.equal(journal.seqStored, 1);
  await journal.close();
});

test("a failed sync: what the page cache calls clean is written again before it counts", async () => {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
  await journal.append(entryValue(1));
  disk.failsNextSync = true;
  await assert.rejects(Promise.resolve(journal.append(entryValue(2))));
  await journal.close().catch(() => {});
  // The entry that was not acknowledged is whole in the page cache, and not on the disk.
  const next = await FileJournal.openWith(simPorts(disk, 2), DIRECTORY, OPTIONS);
  assert.equal(next.seqStored, 2);
  const state = new DurableState();
  for (const op of disk.ops) state.apply(op);
  for (let seed = 0; seed < 8; seed++) {
    const left = await FileJournal.openWith(
      simPorts(state.crash(new Random(seed)), 3),
      DIRECTORY,
      OPTIONS,
    );
    assert.equal(left.seqStored, 2, `seed ${seed}`);
    await left.close();
  }
  await next.close();
});

test("a read error is not the end of the log", async () => {
  let broken = false;
  const faulty = new FaultyDisk(new SimDisk(), (call) =>
    broken && call === "read" ? { code: "EIO" } : null,
  );
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY);
  await journal.append(entryValue(1));
  broken = true;
  await assert.rejects(
    async () => {
      for await (const _ of journal.read());
    },
    (error) => (error as BrokerlessError).code === "BROKERLESS_JOURNAL_FAILED",
  );
  broken = false;
  await journal.close();
});

test("disk full: an acknowledgement is stored from the reserve", async () => {
  const disk = new SimDisk();
  let room = Number.POSITIVE_INFINITY;
  const faulty = new FaultyDisk(disk, (call, _, bytes) => {
    if (call === "unlink") room += 512;
    if (call !== "write" || bytes === 96) return null;
    if (bytes > room) return { code: "ENOSPC" };
    room -= bytes;
    return null;
  });
  const journal = await FileJournal.openWith(simPorts(faulty), DIRECTORY);
  await journal.append(entryValue(1));
  await journal.sync();
  room = 0;
  const noSpace = (error: unknown) => (error as BrokerlessError).code === "BROKERLESS_NO_SPACE";
  await assert.rejects(journal.append(Buffer.alloc(400_000)), noSpace);
  await journal.set({ cursor: Buffer.from("1") });
  assert.equal(String(journal.get("cursor")), "1");
  // Room is back: entries are stored again, and the reserve is taken anew.
  room = Number.POSITIVE_INFINITY;
  await journal.append(entryValue(2));
  await journal.close();
  assert.ok(disk.paths.includes(`${DIRECTORY}/reserve`));
});
