import assert from "node:assert/strict";
import { test } from "node:test";
import { LmdbJournal } from "../../lib/journal/index.ts";
import { lmdbFailure } from "../../lib/journal/lmdb/lmdb-failure.ts";
import { checkRoom } from "../../lib/journal/lmdb/lmdb-room.ts";
import { World } from "../support/world.ts";

const MAP_BYTES = 2 ** 20;
const BYTES = 10_000;
const isFull = { code: "BROKERLESS_NO_SPACE", retryable: true };

test("lmdb journal: a full map is BROKERLESS_NO_SPACE, and freeing entries makes room", async (t) => {
  const directory = new World(t).directory();
  const journal = await LmdbJournal.open(directory, { mapBytesMax: MAP_BYTES });
  const entry = (seq: number) => new Uint8Array(BYTES).fill(seq);
  let stored = 0;
  await assert.rejects(async () => {
    for (; stored * BYTES <= MAP_BYTES; stored++) await journal.append(entry(stored + 1));
  }, isFull);
  assert.ok(stored * BYTES > MAP_BYTES / 2, `only ${stored} entries fitted`);
  assert.ok(journal.stats().bytesKept <= MAP_BYTES);
  await assert.rejects(journal.append(entry(0)), isFull);
  await journal.set({ said: Buffer.from("that it is full") });
  await journal.truncateBefore(stored - 4);
  assert.equal(await journal.append(entry(stored + 1)), stored + 1);
  await journal.close();
  const again = await LmdbJournal.open(directory, { mapBytesMax: MAP_BYTES });
  t.after(() => again.close());
  const seqs: number[] = [];
  for await (const { seq, value } of again.read({ from: again.seqFirst })) {
    assert.equal(value[0], seq % 256);
    seqs.push(seq);
  }
  assert.equal(seqs.at(-1), stored + 1);
  assert.equal(again.get("said")?.toString(), "that it is full");
});

test("lmdb journal: the reason of a failed commit determines its error, and is no unhandled rejection", async () => {
  const reason = (code: number) => Object.assign(new Error("no"), { code });
  for (const code of [27, 28, 122, -30792]) {
    const failed = Object.assign(new Error("Commit failed"), {
      commitError: Promise.reject(reason(code)),
    });
    assert.equal((await lmdbFailure(failed, "write")).code, "BROKERLESS_NO_SPACE", `${code}`);
    assert.equal((await lmdbFailure(reason(code), "write")).code, "BROKERLESS_NO_SPACE");
  }
  const other = Object.assign(new Error("Commit failed"), {
    commitError: Promise.reject(reason(5)),
  });
  assert.equal((await lmdbFailure(other, "write")).code, "BROKERLESS_JOURNAL_FAILED");
});

test("lmdb journal: named values and copies are accepted by a full map", (t) => {
  const directory = new World(t).directory();
  const stats = {
    pageSize: 4_096,
    treeBranchPageCount: 1,
    treeLeafPageCount: 9,
    overflowPages: 246,
  };
  const place = { directory, mapBytesMax: MAP_BYTES };
  checkRoom(place, { lengths: [100], kind: "values" }, stats);
  checkRoom(place, { lengths: [100], kind: "copies" }, stats);
  assert.throws(() => checkRoom(place, { lengths: [100], kind: "entries" }, stats), isFull);
});
