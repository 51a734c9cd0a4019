import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";

async function filled(t: TestContext): Promise<LmdbJournal> {
  const place = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(place, { recursive: true }));
  const journal = await LmdbJournal.open(place, { batchBytesMax: 256 });
  for (let i = 1; i <= 10; i++) await journal.append(Buffer.alloc(300, i));
  return journal;
}

for (const follow of [true, false]) {
  test(`lmdb journal: a read${follow ? " that follows" : ""} rejects with the range that a close left unread`, async (t) => {
    const journal = await filled(t);
    const seqs: number[] = [];
    const reading = (async () => {
      for await (const { seq } of journal.read({ follow })) {
        seqs.push(seq);
        if (seq === 3) await journal.close();
      }
    })();
    await assert.rejects(reading, (error) => {
      assert.ok(error instanceof BrokerlessError && error.code === "BROKERLESS_CLOSED");
      assert.match(error.message, /before entries 4 to 10 were read/);
      return true;
    });
    assert.deepEqual(seqs, [1, 2, 3]);
  });
}

test("lmdb journal: a following reader that has read everything ends with the close", async (t) => {
  const journal = await filled(t);
  let last = 0;
  for await (const { seq } of journal.read({ follow: true })) {
    last = seq;
    if (seq === 10) void journal.close();
  }
  assert.equal(last, 10);
});
