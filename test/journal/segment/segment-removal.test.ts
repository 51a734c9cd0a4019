import assert from "node:assert/strict";
import { test } from "node:test";
import { Segment } from "../../../lib/journal/segment/segment.ts";
import { SegmentRemoval } from "../../../lib/journal/segment/segment-removal.ts";
import { errno, SimDisk } from "../../support/sim-disk.ts";
import { simPorts } from "../../support/sim-ports.ts";

const DIRECTORY = "/journal";
const HEADER = {
  hasGap: false,
  stream: "a".repeat(32),
  salt: "b".repeat(32),
  epoch: 1,
  bornBytes: 100,
  previousBytes: 0,
  epochSeqFirst: 1,
  createdAtMs: 0,
};

/** Three segments, which begin at 1, 11 and 21, as files of a disk. */
async function log(disk = new SimDisk()) {
  const segments = [1, 11, 21].map((seqBase, index) => {
    return new Segment({ ...HEADER, number: index + 1, seqBase }, 100);
  });
  for (const { name } of segments) await disk.open(`${DIRECTORY}/${name}`, "create");
  const lock = { assertHeld: () => {} };
  const parts = { ports: simPorts(disk), directory: DIRECTORY, segments, lock };
  return { disk, segments, removal: new SegmentRemoval(parts) };
}

test("segment removal: only what lies wholly before is removed, and never the newest", async () => {
  const { disk, segments, removal } = await log();
  await removal.before(20);
  assert.deepEqual(
    segments.map(({ header }) => header.number),
    [2, 3],
  );
  await removal.before(1_000);
  assert.deepEqual(disk.paths, [`${DIRECTORY}/${segments[0]!.name}`]);
  assert.equal(segments[0]!.header.number, 3);
});

test("segment removal: from the oldest on, each durable before the next, also when asked twice at once", async () => {
  const { disk, segments, removal } = await log();
  const names = segments.map(({ name }) => `${DIRECTORY}/${name}`);
  const before = disk.ops.length;
  await Promise.all([removal.before(11), removal.before(21)]);
  const done = disk.ops.slice(before).map((op) => ("path" in op ? [op.kind, op.path] : [op.kind]));
  assert.deepEqual(done, [
    ["unlink", names[0]],
    ["syncDirectory", DIRECTORY],
    ["unlink", names[1]],
    ["syncDirectory", DIRECTORY],
  ]);
});

test("segment removal: after a lack of descriptors it goes on where it was left", async () => {
  class Lacking extends SimDisk {
    isLacking = true;

    override async syncDirectory(path: string): Promise<void> {
      if (this.isLacking) throw errno("EMFILE", path);
      await super.syncDirectory(path);
    }
  }
  const disk = new Lacking();
  const { segments, removal } = await log(disk);
  await assert.rejects(removal.before(21), { code: "BROKERLESS_NO_SPACE" });
  assert.equal(segments.length, 3);
  disk.isLacking = false;
  await removal.before(21);
  assert.deepEqual([segments.length, disk.paths.length], [1, 1]);
});
