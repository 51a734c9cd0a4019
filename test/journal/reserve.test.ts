import assert from "node:assert/strict";
import { test } from "node:test";
import { Reserve } from "../../lib/journal/segment/reserve.ts";
import { FaultyDisk } from "../support/faulty-disk.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { TightDisk } from "../support/tight-disk.ts";

const PATH = "/reserve";
const WANTED = { values: 64, copies: 448 };

async function held(disk: SimDisk, wanted = WANTED): Promise<Reserve> {
  const reserve = new Reserve(disk, PATH, wanted);
  await reserve.open();
  return reserve;
}

const lengthOn = (disk: SimDisk) => (disk.paths.includes(PATH) ? disk.peek(PATH).length : 0);

test("reserve: each share is given back separately, and allocated again where there is room", async () => {
  for (const [first, second] of [
    ["values", "copies"],
    ["copies", "values"],
  ] as const) {
    const disk = new TightDisk(600);
    const reserve = await held(disk);
    assert.deepEqual([lengthOn(disk), reserve.lack], [512, null]);
    assert.equal(await reserve.release(first), true);
    assert.equal(lengthOn(disk), WANTED[second]);
    assert.equal(await reserve.release(first), false);
    assert.match(String(reserve.lack), /reserved for named values/);
    assert.equal(await reserve.release(second), true);
    assert.deepEqual(disk.paths, []);
    await reserve.take();
    assert.deepEqual([lengthOn(disk), reserve.lack], [512, null]);
  }
});

test("reserve: on a full disk the next run inherits the remaining shares, and takes no space of others", async () => {
  for (const released of ["values", "copies"] as const) {
    const disk = new TightDisk(512);
    await (await held(disk)).release(released);
    disk.capacityBytes = lengthOn(disk) + 10;
    const next = await held(disk);
    assert.equal((next.lack as NodeJS.ErrnoException).code, "ENOSPC");
    assert.equal(lengthOn(disk), 512 - WANTED[released]);
    assert.equal(await next.release(released), false);
    disk.capacityBytes = 512;
    await next.take();
    assert.deepEqual([lengthOn(disk), next.lack], [512, null]);
  }
});

test("reserve: an incomplete share on a full disk is accepted, and does not block entries", async () => {
  const disk = new TightDisk(512);
  await held(disk, { values: 64, copies: 100 });
  disk.capacityBytes = lengthOn(disk);
  const next = await held(disk);
  assert.deepEqual([lengthOn(disk), next.lack], [164, null]);
  assert.equal(await next.release("copies"), true);
  assert.equal(lengthOn(disk), 64);
});

test("reserve: holes are overwritten with zeros, and excess length is cut off", async () => {
  const disk = new SimDisk();
  const file = await disk.open(PATH, "create");
  await file.truncate(2_000);
  await file.close();
  const before = disk.ops.length;
  await held(disk);
  assert.equal(lengthOn(disk), 512);
  const writes = disk.ops.slice(before).filter((op) => op.kind === "write");
  assert.deepEqual(
    writes.map(({ at, bytes }) => [at, bytes.length]),
    [[0, 512]],
  );
});

test("reserve: without a descriptor for truncation, the whole reserve is given back", async () => {
  const disk = new SimDisk();
  let lacks = false;
  const faulty = new FaultyDisk(disk, (call) =>
    lacks && call === "open" ? { code: "EMFILE" } : null,
  );
  const reserve = new Reserve(faulty, PATH, WANTED);
  await reserve.open();
  lacks = true;
  assert.equal(await reserve.release("values"), true);
  assert.deepEqual(disk.paths, []);
  assert.equal(await reserve.release("copies"), false);
  await reserve.take();
  lacks = false;
  await reserve.take();
  assert.deepEqual([lengthOn(disk), reserve.lack], [512, null]);
});
