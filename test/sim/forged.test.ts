import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { BATCH } from "../../lib/batch/layout.ts";
import { BrokerlessError } from "../../lib/errors.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { RECORD_HEADER_BYTES } from "../../lib/journal/format/record.ts";
import { decodeSegmentHeader, segmentSeed } from "../../lib/journal/format/segment-header.ts";
import { DIRECTORY, entryValue, OPTIONS } from "../support/crash-model.ts";
import { batchesOf, resealed } from "../support/reseal.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

const isCorrupt = (error: unknown) =>
  error instanceof BrokerlessError && error.code === "BROKERLESS_CORRUPT";

/** A journal that was closed or whose process died, with as many segments as asked for. */
async function written(segments: number): Promise<{ closed: SimDisk; died: SimDisk }> {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
  while (segmentsOf(disk).length < segments) await journal.append(entryValue(journal.seqNext));
  for (let more = 0; more < 4; more++) await journal.append(entryValue(journal.seqNext));
  await journal.sync();
  const died = disk.clone();
  await journal.close();
  return { closed: disk, died };
}

function segmentsOf(disk: SimDisk): string[] {
  return disk.paths.filter((path) => path.endsWith(".segment"));
}

async function readAll(disk: SimDisk): Promise<void> {
  const journal = await FileJournal.openWith(simPorts(disk, 9), DIRECTORY, OPTIONS);
  try {
    for await (const entry of journal.read()) {
      assert.ok(entry.value.equals(entryValue(entry.seq)), `wrong value at ${entry.seq}`);
    }
  } finally {
    await journal.close();
  }
}

/** Changes that leave every checksum right: each is what one check alone stands against. */
const FORGERIES: Record<string, (batch: Buffer) => void> = {
  "of another epoch": (batch) => batch.writeUInt32LE(7, BATCH.epoch),
  "of another stream": (batch) => batch.fill(0xee, BATCH.stream, BATCH.stream + 16),
  "that repeats a seq": (batch) =>
    batch.writeBigUInt64LE(batch.readBigUInt64LE(BATCH.seqFirst) - 1n, BATCH.seqFirst),
  "that leaves out a seq": (batch) =>
    batch.writeBigUInt64LE(batch.readBigUInt64LE(BATCH.seqFirst) + 1n, BATCH.seqFirst),
};

for (const [kind, forge] of Object.entries(FORGERIES)) {
  test(`forged: a batch ${kind} is refused although its checksums hold`, async () => {
    const { closed, died } = await written(1);
    for (const disk of [closed, died]) {
      const path = segmentsOf(disk)[0]!;
      const bytes = disk.peek(path);
      forge(bytes.subarray(batchesOf(bytes)[2]!));
      disk.poke(path, resealed(bytes));
      await assert.rejects(readAll(disk), isCorrupt);
    }
  });
}

test("forged: a length beyond the end of the file is refused", async () => {
  for (const extra of [2 ** 16, 2 ** 29]) {
    const { died } = await written(1);
    const path = segmentsOf(died)[0]!;
    const bytes = died.peek(path);
    const at = batchesOf(bytes).at(-1)! - RECORD_HEADER_BYTES;
    const head = decodeSegmentHeader(bytes);
    const seed = head.kind === "header" ? segmentSeed(head.header) : 0;
    bytes.writeUInt32LE(bytes.readUInt32LE(at + 4) + extra, at + 4);
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, at + 24), seed), at);
    died.poke(path, bytes);
    await assert.rejects(readAll(died), isCorrupt);
  }
});

test("forged: a segment that does not go on where the one before ends is refused", async () => {
  const { died } = await written(3);
  const path = segmentsOf(died)[1]!;
  const bytes = died.peek(path);
  const base = bytes.readBigUInt64LE(56) + 1n;
  bytes.writeBigUInt64LE(base, 56);
  // All that is in it moves on by one as well: only the step between the segments is wrong.
  for (const at of batchesOf(resealed(bytes))) {
    bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at + BATCH.seqFirst) + 1n, at + BATCH.seqFirst);
  }
  died.poke(path, resealed(bytes));
  await assert.rejects(FileJournal.openWith(simPorts(died, 9), DIRECTORY, OPTIONS), /comes next/);
});

test("forged: records of another life of the same segment are refused", async () => {
  const { closed } = await written(1);
  const [here, there] = [closed.clone(), closed.clone()];
  for (const [disk, fill] of [
    [here, null],
    [there, 0xaa],
  ] as const) {
    const journal = await FileJournal.openWith(simPorts(disk, fill ?? 1), DIRECTORY, OPTIONS);
    while (segmentsOf(disk).length < 2 || journal.seqNext % 4 !== 0) {
      const value = entryValue(journal.seqNext);
      await journal.append(fill === null ? value : value.fill(fill));
    }
    await journal.close();
    disk.poke(`${DIRECTORY}/checkpoint`, null);
  }
  const path = segmentsOf(here)[1]!;
  const [own, other] = [here.peek(path), there.peek(path)];
  assert.equal(own.length, other.length);
  // The same stream, epoch, seqs, places and lengths: only the salt of the file tells.
  here.poke(path, Buffer.concat([own.subarray(0, 96), other.subarray(96)]));
  await assert.rejects(readAll(here), isCorrupt);
});
