import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../../lib/errors.ts";
import { FileJournal } from "../../../lib/journal/file/file-journal.ts";
import { repairJournal } from "../../../lib/journal/recovery/repair.ts";
import { DIRECTORY, entryValue, OPTIONS } from "../../support/crash-model.ts";
import { Random } from "../../support/random.ts";
import { SimDisk } from "../../support/sim-disk.ts";
import { simPorts } from "../../support/sim-ports.ts";

const isCode = (code: string) => (error: unknown) =>
  error instanceof BrokerlessError && error.code === code;

async function filled(entries: number): Promise<SimDisk> {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
  for (let seq = 1; seq <= entries; seq++) {
    await journal.append(entryValue(seq), { values: { cursor: Buffer.from(String(seq)) } });
  }
  await journal.close();
  disk.poke(`${DIRECTORY}/checkpoint`, null);
  return disk;
}

async function seqs(journal: FileJournal, from: number): Promise<number[]> {
  const read: number[] = [];
  for await (const entry of journal.read({ from })) {
    assert.ok(entry.value.equals(entryValue(entry.seq)));
    read.push(entry.seq);
  }
  return read;
}

test("repair: keeps intact entries, reports lost ones, and never hides the gap", async () => {
  const disk = await filled(30);
  const path = disk.paths.filter((name) => name.endsWith(".segment"))[1]!;
  const bytes = disk.peek(path);
  bytes.fill(7, 1500, 1900);
  disk.poke(path, bytes);
  await assert.rejects(
    FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS),
    isCode("BROKERLESS_CORRUPT"),
  );
  const report = await repairJournal(DIRECTORY, simPorts(disk, 5));
  assert.equal(report.lost.length, 1);
  const { seqFirst, seqLast } = report.lost[0]!;
  assert.equal(report.entriesKept, 30 - (seqLast - seqFirst + 1));
  const journal = await FileJournal.openWith(simPorts(disk, 6), DIRECTORY, OPTIONS);
  assert.ok(journal.epoch >= 2);
  assert.equal(journal.seqStored, 30);
  assert.equal(String(journal.get("cursor")), "30");
  await assert.rejects(seqs(journal, 1), isCode("BROKERLESS_GAP"));
  await assert.rejects(seqs(journal, seqFirst), isCode("BROKERLESS_GAP"));
  const rest = await seqs(journal, seqLast + 1);
  assert.deepEqual([rest[0], rest.at(-1), rest.length], [seqLast + 1, 30, 30 - seqLast]);
  assert.equal(await journal.append(entryValue(31)), 31);
  assert.equal((await journal.verify()).ok, true);
  await journal.close();
});

test("repair: after any damage to any file the journal opens, and contains only original entries", async (t) => {
  const whole = await filled(30);
  const random = new Random(11);
  const segments = whole.paths.filter((name) => name.endsWith(".segment"));
  for (let round = 0; round < 150; round++) {
    const disk = whole.clone();
    for (let hits = 1 + random.below(3); hits > 0; hits--) {
      const path = segments[random.below(segments.length)]!;
      if (!disk.paths.includes(path)) continue;
      const bytes = disk.peek(path);
      const kind = random.below(4);
      const at = random.below(bytes.length);
      if (kind === 0) disk.poke(path, bytes.subarray(0, at));
      else if (kind === 1) disk.poke(path, bytes.fill(0, at, Math.min(bytes.length, at + 512)));
      else if (kind === 2 && round % 5 === 0) disk.poke(path, null);
      else {
        bytes[at] = bytes[at]! ^ 1;
        disk.poke(path, bytes);
      }
    }
    const report = await repairJournal(DIRECTORY, simPorts(disk, round));
    const journal = await FileJournal.openWith(simPorts(disk, 99), DIRECTORY, OPTIONS);
    assert.ok(journal.seqStored >= 30, `round ${round}: a seq would be given twice`);
    const lost = report.lost.reduce((sum, range) => sum + range.seqLast - range.seqFirst + 1, 0);
    assert.equal(report.entriesKept + lost, journal.seqStored, `round ${round}`);
    let kept = 0;
    let from = journal.seqFirst;
    for (const { seqFirst, seqLast } of [...report.lost, { seqFirst: 1e9, seqLast: 0 }]) {
      if (from < seqFirst && from <= journal.seqStored) {
        const read: number[] = [];
        try {
          for await (const entry of journal.read({ from })) read.push(entry.seq);
        } catch (error) {
          assert.ok(isCode("BROKERLESS_GAP")(error), String(error));
        }
        kept += read.length;
      }
      from = Math.max(from, seqLast + 1);
    }
    assert.equal(kept, report.entriesKept, `round ${round}`);
    await journal.close();
  }
  t.diagnostic("150 rounds");
});

test("repair: an undamaged journal is unchanged, except for the epoch", async () => {
  const disk = await filled(10);
  const report = await repairJournal(DIRECTORY, simPorts(disk, 5));
  assert.deepEqual([report.entriesKept, report.lost], [10, []]);
  const journal = await FileJournal.openWith(simPorts(disk, 6), DIRECTORY, OPTIONS);
  assert.equal((await seqs(journal, 1)).length, 10);
  await journal.close();
});

test("repair: a copy becomes a stream of its own, with the same entries and values except for its identity", async () => {
  const disk = await filled(30);
  {
    const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
    await journal.set({ epochs: Buffer.of(1), receiver: Buffer.of(2), other: Buffer.of(3) });
    await journal.close();
  }
  const copy = disk.clone();
  const report = await repairJournal(DIRECTORY, simPorts(copy, 5), { newStream: true });
  assert.deepEqual([report.entriesKept, report.lost], [30, []]);
  const [original, renewed] = [
    await FileJournal.openWith(simPorts(disk, 6), DIRECTORY, OPTIONS),
    await FileJournal.openWith(simPorts(copy, 7), DIRECTORY, OPTIONS),
  ];
  assert.equal(renewed.stream, report.stream);
  assert.notEqual(renewed.stream, original.stream);
  assert.deepEqual(await seqs(renewed, 1), await seqs(original, 1));
  for (const name of ["epochs", "receiver"]) assert.equal(renewed.get(name), null);
  assert.deepEqual([...renewed.get("other")!], [3]);
  assert.equal((await renewed.verify()).ok, true);
  // Without being asked for it a repair leaves it the stream that it was.
  await original.close();
  assert.equal((await repairJournal(DIRECTORY, simPorts(disk, 8))).stream, original.stream);
  await renewed.close();
});
