import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../../../lib/errors.ts";
import { MemoryJournal } from "../../../../lib/journal/memory-journal.ts";
import { STATE_NAME } from "../../../../lib/reliable/saved-values.ts";
import { SavedProgress } from "../../../../lib/reliable/sender/saved/saved-progress.ts";
import {
  SettledSpace,
  type SettledSpaceOptions,
} from "../../../../lib/reliable/sender/saved/settled-space.ts";
import { changed } from "../../../support/changed.ts";

const FREEING = { bytes: 1_000, heldTimes: 8, copyBytes: 2 ** 16 };

/** A journal of ten entries in ten batches, of which nothing is settled. */
async function tenEntries(): Promise<MemoryJournal> {
  const journal = new MemoryJournal();
  for (let count = 0; count < 10; count++) await journal.append([Buffer.alloc(1_000)]);
  return journal;
}

function spaceOf(
  journal: SettledSpaceOptions["journal"],
  floor: number,
  lowestAt: number = Number.POSITIVE_INFINITY,
): SettledSpace {
  const dispatcher = { floor, dead: { lowestAt } } as SettledSpaceOptions["dispatcher"];
  return new SettledSpace({
    journal,
    dispatcher,
    progress: new SavedProgress(0),
    freeing: FREEING,
  });
}

test("settled space: retention frees nothing of what is not processed", async () => {
  const journal = await tenEntries();
  const space = spaceOf(journal, 0);
  await space.hold();
  assert.equal(journal.holds().get(STATE_NAME), 1);
  assert.equal(space.lacksHold, false);
});

test("settled space: a hold that fails is tried again", async () => {
  const memory = await tenEntries();
  let fails = true;
  const hold = (name: string, seq: number): Promise<void> => {
    if (fails) return Promise.reject(new BrokerlessError("BROKERLESS_NO_SPACE", "full"));
    return memory.hold(name, seq);
  };
  const space = spaceOf(changed(memory, { hold }), 0);
  await assert.rejects(space.hold(), { code: "BROKERLESS_NO_SPACE" });
  assert.equal(space.lacksHold, true);
  fails = false;
  await space.holdAgain();
  assert.equal(space.lacksHold, false);
  assert.equal(memory.holds().get(STATE_NAME), 1);
});

test("settled space: a little is freed on a full disk, or where letters were moved, and else not", async () => {
  const journal = await tenEntries();
  const space = spaceOf(journal, 4);
  space.settled(10);
  await space.free(space.neededWith(2));
  assert.equal(journal.seqFirst, 1, "little");
  await space.free(space.neededWith(2), true);
  assert.equal(journal.seqFirst, 3, "a full disk");
  await space.freeMoved(4);
  assert.equal(journal.seqFirst, 5, "moved");
});

test("settled space: a dead letter keeps what lies behind it, and what it holds back counts when it is gone", async () => {
  const journal = await tenEntries();
  const held = spaceOf(journal, 8, 3);
  held.settled(8_000);
  assert.equal(held.neededWith(8), 3);
  await held.free(held.neededWith(8));
  assert.equal(journal.seqFirst, 3);
  // Two of eight were freed: the other six are still worth their write.
  await held.free(9);
  assert.equal(journal.seqFirst, 9);
});
