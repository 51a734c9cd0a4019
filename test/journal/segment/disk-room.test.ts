import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../../lib/errors.ts";
import { ValueTable } from "../../../lib/journal/format/values.ts";
import { seqFirstChange } from "../../../lib/journal/holds.ts";
import { DiskRoom } from "../../../lib/journal/segment/disk-room.ts";
import { Reserve } from "../../../lib/journal/segment/reserve.ts";
import { Segment } from "../../../lib/journal/segment/segment.ts";
import { TightDisk } from "../../support/tight-disk.ts";

const HEADER = {
  number: 1,
  hasGap: false,
  stream: "a".repeat(32),
  salt: "b".repeat(32),
  epoch: 1,
  bornBytes: 100,
  seqBase: 1,
  previousBytes: 0,
  epochSeqFirst: 1,
  createdAtMs: 0,
};
const VALUES = { draft: null, seqFirst: 10, values: new Map(), makesRoom: false };
const ENTRIES = { ...VALUES, draft: {} as never };
const COPIES = { ...ENTRIES, makesRoom: true };

/** A log of entries 1 to 9 on a full disk with a reserve, that has room for another segment or has not. */
async function full(rolls = true) {
  const disk = new TightDisk(512);
  const reserve = new Reserve(disk, "/reserve", { values: 64, copies: 448 });
  await reserve.open();
  const calls: string[] = [];
  const table = new ValueTable();
  const log = {
    newest: new Segment(HEADER, 900),
    table,
    seqNext: 10,
    roll: async (epoch: number) => {
      calls.push(`roll ${epoch}`);
      if (!rolls) throw new BrokerlessError("BROKERLESS_NO_SPACE", "full");
    },
    dropBefore: async (seq: number) => {
      calls.push(`drop ${seq}`);
    },
  };
  const room = new DiskRoom(log, { reserve, committed: () => Promise.resolve() });
  return { disk, reserve, table, room, calls };
}

test("disk room: a segment that nobody needs is ended and removed, for whatever is to be written", async () => {
  const { table, room, calls } = await full();
  table.apply(seqFirstChange(10));
  assert.equal(await room.make([ENTRIES]), true);
  assert.deepEqual(calls, ["roll 1", "drop 10"]);
});

test("disk room: while something is needed there is none for entries, and for copies what is held for them", async () => {
  const { disk, room, calls } = await full();
  assert.equal(await room.make([ENTRIES]), false);
  assert.equal(await room.make([VALUES, ENTRIES]), false);
  assert.deepEqual(calls, []);
  assert.equal(await room.make([COPIES]), true);
  assert.deepEqual([calls, disk.freeBytes], [["roll 1"], 448]);
  assert.equal(await room.make([COPIES]), false, "it is given back once");
});

test("disk room: copies go on in the newest segment where there is no room for another", async () => {
  const { room, calls } = await full(false);
  assert.equal(await room.make([COPIES]), true);
  assert.deepEqual(calls, ["roll 1"]);
});

test("disk room: entries wait until what was given back is held again", async () => {
  const { disk, reserve, room } = await full();
  await room.keepReserve(9);
  await room.give("values");
  disk.capacityBytes -= 64;
  await assert.rejects(room.keepReserve(9), { code: "BROKERLESS_NO_SPACE" });
  disk.capacityBytes += 64;
  await room.keepReserve(9);
  assert.equal(reserve.lack, null);
});
