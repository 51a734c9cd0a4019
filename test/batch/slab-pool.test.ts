import assert from "node:assert/strict";
import { test } from "node:test";
import { SlabPool } from "../../lib/batch/slab-pool.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";

test("slab pool: a slab is free again when all its pieces are released and its writer uses another slab", () => {
  const pool = new SlabPool(64, 4);
  const slab = pool.take();
  const pieces = [slab.subarray(0, 10), slab.subarray(10, 20)];
  for (const piece of pieces) pool.hold(piece);
  pool.take();
  pool.release(pieces[0]!);
  assert.notEqual(pool.take(), slab);
  pool.release(pieces[1]!);
  assert.equal(pool.take(), slab);
});

test("slab pool: the slab being written is not freed, and other memory is ignored", () => {
  const pool = new SlabPool(64, 4);
  const slab = pool.take();
  const piece = slab.subarray(0, 10);
  pool.hold(piece);
  pool.release(piece);
  const next = pool.take();
  assert.notEqual(next, slab);
  const foreign = Buffer.alloc(10);
  pool.hold(foreign);
  pool.release(foreign);
});

test("slab pool: a piece that is held after the next slab was taken keeps its slab", () => {
  const pool = new SlabPool(64, 4);
  const slab = pool.take();
  const next = pool.take();
  pool.hold(slab.subarray(0, 10));
  assert.equal([pool.take(), pool.take(), pool.take(), next].includes(slab), false);
});

test("slab pool: slabs whose pieces were all released during the writing are free again, too", () => {
  const pool = new SlabPool(64, 4);
  for (let round = 0; round < 100; round++) {
    const piece = pool.take().subarray(0, 10);
    pool.hold(piece);
    pool.release(piece);
    assert.ok(pool.inUse <= 3, `${pool.inUse} slabs in use`);
  }
});

test("memory journal: stored bytes are not overwritten", async () => {
  await using journal = new MemoryJournal({ batchBytesMax: 1024 });
  const count = 20_000;
  for (let seq = 1; seq <= count; seq++) {
    journal.append(Buffer.alloc(200, seq & 0xff));
    if (seq % 100 === 0) await journal.sync();
  }
  for await (const entry of journal.read()) assert.equal(entry.value[199], entry.seq & 0xff);
  assert.equal((await journal.verify()).ok, true);
});
