import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { Program } from "../support/program.ts";

const PROGRAM = new URL("../support/no-descriptors.ts", import.meta.url);
const FEW = ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh"];

/** @returns how appends went while `left` descriptors were left, and then with all */
async function lack(t: TestContext, left: number, how: "spare" | "plain" | "stolen") {
  const place = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const program = new Program(t, PROGRAM, FEW);
  const [during, stored] = (await program.start([place, String(left), how])).split(" ");
  await program.kill();
  return { place, during, stored: Number(stored) };
}

for (const left of [0, 1, 2, 3]) {
  test(`descriptors: with ${left} left, a new segment waits for more, and the journal continues`, async (t) => {
    const { place, during, stored } = await lack(t, left, "spare");
    assert.ok(during === "stored" || during === "BROKERLESS_NO_SPACE", during);
    if (left === 0) assert.equal(during, "BROKERLESS_NO_SPACE");
    assert.equal(stored, 200);
    await using journal = await FileJournal.open(place);
    assert.ok(journal.seqStored >= 200);
    assert.ok((await journal.verify()).ok);
  });
}

test("descriptors: a spare descriptor that other code takes first counts as missing, and the journal continues", async (t) => {
  const { place, during, stored } = await lack(t, 1, "stolen");
  assert.deepEqual([during, stored], ["BROKERLESS_NO_SPACE", 200]);
  await using journal = await FileJournal.open(place);
  assert.ok(journal.seqStored >= 200);
  assert.ok((await journal.verify()).ok);
});

test("descriptors: negative control: with one left, a segment can start only with the spare descriptor", async (t) => {
  assert.equal((await lack(t, 1, "spare")).during, "stored");
  const { during, stored } = await lack(t, 1, "plain");
  assert.deepEqual([during, stored], ["BROKERLESS_NO_SPACE", 200]);
});
