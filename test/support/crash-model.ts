import assert from "node:assert/strict";
import type { Disk } from "../../lib/journal/disk/disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { SyncLevel } from "../../lib/journal/file/file-journal-options.ts";
import { Random } from "./random.ts";
import { DurableState, SimDisk } from "./sim-disk.ts";
import { simPorts } from "./sim-ports.ts";

export const DIRECTORY = "/journal";
export const OPTIONS = { segmentBytes: 4096, batchBytesMax: 512 } as const;

/** What a run promised at a moment: everything up to here survives a power cut from then on. */
interface Promised {
  /** Changes to the disk when the promise was made (count). */
  readonly opCount: number;
  readonly seqStored: number;
  readonly seqFirst: number;
}

/** A recorded run. */
export interface Run {
  readonly disk: SimDisk;
  readonly promises: readonly Promised[];
  /** Last seq that was ever appended. */
  readonly seqLast: number;
  readonly seed: number;
}

/** The value of an entry, which its seq determines. */
export function entryValue(seq: number): Buffer {
  const bytes = Buffer.alloc(8 + ((seq * 7919) % 600), seq & 0xff);
  bytes.writeUInt32LE(seq, 0);
  return bytes;
}

/** The value that is stored with an entry; of a length that a sector may end in. */
export function cursorValue(seq: number): Buffer {
  return Buffer.from(String(seq).padEnd((seq * 31) % 700));
}

/**
 * Appends, frees and reopens at random on a simulated disk, and records when what was promised.
 * Each append also sets the value `cursor` to its last seq: both are there, or none.
 */
export async function recordRun(
  seed: number,
  options: { readonly steps: number; readonly sync?: SyncLevel; wrap?(disk: SimDisk): Disk },
): Promise<Run> {
  const random = new Random(seed);
  const disk = new SimDisk();
  disk.isSlow = true;
  const wrapped = options.wrap?.(disk) ?? disk;
  const sync = options.sync ?? "always";
  const promises: Promised[] = [];
  // Every other run writes ahead of each sync, as a journal under load does.
  const aheadBytes = seed % 2 === 0 ? 1 : 2 ** 20;
  const open = (salt: number) =>
    FileJournal.openWith(simPorts(wrapped, seed + salt, aheadBytes), DIRECTORY, {
      ...OPTIONS,
      sync,
    });
  let journal = await open(0);
  const note = () => {
    const { seqStored, seqFirst } = journal;
    promises.push({ opCount: disk.ops.length, seqStored, seqFirst });
  };
  for (let step = 0; step < options.steps; step++) {
    const count = 1 + random.below(4);
    const appends: PromiseLike<unknown>[] = [];
    for (let index = 0; index < count; index++) {
      const entries = Array.from({ length: 1 + random.below(3) }, (_, at) =>
        entryValue(journal.seqNext + at),
      );
      const cursor = cursorValue(journal.seqNext + entries.length - 1);
      appends.push(journal.append(entries, { values: { cursor } }).then(note));
    }
    if (random.chance(0.7)) await Promise.all(appends);
    if (random.chance(0.1)) await journal.truncateBefore(1 + random.below(journal.seqNext));
    if (random.chance(0.05)) {
      await Promise.all(appends);
      await journal.close();
      journal = await open(step + 1);
    }
  }
  await journal.sync();
  note();
  const seqLast = journal.seqStored;
  await journal.close();
  return { disk, promises, seqLast, seed };
}

/** What checking crash states counted. */
export interface CrashCounts {
  states: number;
  nested: number;
  tornTails: number;
  epochsRaised: number;
  acknowledged: number;
}

/** Nothing was checked yet. */
export const NO_CRASHES: Readonly<CrashCounts> = {
  states: 0,
  nested: 0,
  tornTails: 0,
  epochsRaised: 0,
  acknowledged: 0,
};

/**
 * Plays power cuts at points of a run: recovers each state, and cuts again inside recoveries.
 *
 * @throws AssertionError naming seed and state, when something promised is lost or wrong
 */
export async function checkCrashes(
  run: Run,
  options: { readonly statesPerOp: number; readonly durable?: boolean; readonly stride?: number },
): Promise<CrashCounts> {
  const counts = { ...NO_CRASHES };
  const state = new DurableState();
  const random = new Random(run.seed ^ 0x5eed);
  const stride = options.stride ?? 1;
  for (let index = 0; index <= run.disk.ops.length; index++) {
    if (index > 0) state.apply(run.disk.ops[index - 1]!);
    if (index % stride !== 0) continue;
    // Only what was promised before the next change began may be counted on.
    const promised = options.durable === false ? null : lastPromise(run, index);
    for (let sample = 0; sample < options.statesPerOp; sample++) {
      const where = `seed ${run.seed}, op ${index}, sample ${sample}`;
      const disk = state.crash(random);
      counts.states++;
      await recoverAndCheck(disk, { run, promised, where, counts, random, depth: 0 });
    }
    counts.acknowledged += promised?.seqStored ?? 0;
  }
  return counts;
}

function lastPromise(run: Run, opCount: number): Promised | null {
  return run.promises.findLast((promise) => promise.opCount <= opCount) ?? null;
}

interface Check {
  readonly run: Run;
  readonly promised: Promised | null;
  readonly where: string;
  readonly counts: CrashCounts;
  readonly random: Random;
  readonly depth: number;
}

async function recoverAndCheck(disk: SimDisk, check: Check): Promise<void> {
  const { where, counts, random, depth, run } = check;
  const start = disk.ops.length;
  let journal: FileJournal;
  try {
    journal = await FileJournal.openWith(simPorts(disk, random.below(2 ** 31)), DIRECTORY, OPTIONS);
  } catch (error) {
    throw new assert.AssertionError({ message: `${where}: refused: ${(error as Error).message}` });
  }
  const recovered = disk.ops.length;
  if (journal.recovery.cut !== null) counts.tornTails++;
  if (journal.recovery.epochRaised) counts.epochsRaised++;
  await checkContents(journal, check);
  const seqStored = journal.seqStored;
  // The journal must work on, and keep what it recovered.
  await journal.append(entryValue(seqStored + 1), {
    values: { cursor: cursorValue(seqStored + 1) },
  });
  if (depth >= 2 || !random.chance(depth === 0 ? 0.25 : 0.5)) return;
  const state = new DurableState();
  const cutAt = start + random.below(recovered - start + 1);
  for (const op of disk.ops.slice(0, cutAt)) state.apply(op);
  counts.nested++;
  await recoverAndCheck(state.crash(random), {
    ...check,
    where: `${where}, again at op ${cutAt - start} of recovery ${depth + 1}`,
    depth: depth + 1,
    run: { ...run, seqLast: Math.max(run.seqLast, seqStored) },
  });
}

async function checkContents(journal: FileJournal, check: Check): Promise<void> {
  const { where, promised, run } = check;
  const { seqStored, seqFirst } = journal;
  const message = (text: string) => `${where}: ${text}`;
  if (promised !== null) {
    assert.ok(
      seqStored >= promised.seqStored,
      message(`lost: ends at ${seqStored}, ${promised.seqStored} was stored`),
    );
    assert.ok(seqFirst >= promised.seqFirst, message("freed entries came back"));
  }
  assert.ok(seqStored <= run.seqLast, message(`has seq ${seqStored}, never appended`));
  let seq = seqFirst;
  for await (const entry of journal.read()) {
    assert.equal(entry.seq, seq, message("a hole"));
    assert.ok(entry.value.equals(entryValue(seq)), message(`wrong value at ${seq}`));
    seq++;
  }
  assert.equal(seq, seqStored + 1, message("entries are missing"));
  const cursor = journal.get("cursor") as Buffer | null;
  const expected = seqStored === 0 ? null : String(cursorValue(seqStored));
  assert.equal(cursor?.toString() ?? null, expected, message("the cursor is torn off"));
  const report = await journal.verify();
  assert.equal(report.ok, true, message(`verify: ${JSON.stringify(report.damage)}`));
}
