import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { JournalView } from "../../lib/journal/file/journal-view.ts";
import { repairJournal } from "../../lib/journal/recovery/repair.ts";

const isFailed = (error: unknown) =>
  error instanceof BrokerlessError && error.code === "BROKERLESS_JOURNAL_FAILED";

/** Names that a journal reads, or writes, or both. */
const NAMES = [
  "checkpoint",
  "mark",
  "reserve",
  "0000000001.segment",
  "0000000002.segment.new",
  "checkpoint.new",
  "reserve.new",
];
/** Of these the journal only makes new ones: what has the name goes, and is not looked at. */
const REPLACED = new Set(["reserve", "reserve.new", "checkpoint.new", "0000000002.segment.new"]);

interface Home {
  readonly place: string;
  /** A file outside that must stay as it is. */
  readonly victim: string;
}

function makeHome(t: TestContext): Home {
  const home = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(join(home, "victim"), "precious");
  return { place: join(home, "journal"), victim: join(home, "victim") };
}

async function fill(place: string): Promise<void> {
  const journal = await FileJournal.open(place, { segmentBytes: 4096 });
  for (let i = 0; i < 40; i++) await journal.append(Buffer.alloc(200));
  await journal.close();
}

for (const name of NAMES) {
  for (const [kind, make] of [
    ["link", (path: string, victim: string) => symlinkSync(victim, path)],
    ["pipe", (path: string) => execFileSync("mkfifo", [path])],
  ] as const) {
    test(`odd files: ${name} is a ${kind}: nothing outside is changed, and no call hangs`, async (t) => {
      for (const isOld of [false, true]) {
        const { place, victim } = makeHome(t);
        if (isOld) await fill(place);
        else mkdirSync(place);
        rmSync(join(place, name), { force: true });
        make(join(place, name), victim);
        if (REPLACED.has(name)) await fill(place);
        else {
          await assert.rejects(fill(place), (error) => {
            assert.ok(isFailed(error));
            assert.match(String(error), /must be a file of the journal's own/);
            return true;
          });
          if (isOld && name !== "checkpoint")
            await assert.rejects(JournalView.open(place), isFailed);
        }
        assert.equal(readFileSync(victim, "latin1"), "precious");
      }
    });
  }
}

test("odd files: a repair saves nothing through a link named broken, and changes nothing", async (t) => {
  const { place, victim } = makeHome(t);
  await fill(place);
  const elsewhere = `${victim}.d`;
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(place, "broken"));
  const before = readdirSync(place);
  await assert.rejects(repairJournal(place), /must be a directory of the journal's own/);
  assert.deepEqual(readdirSync(elsewhere), []);
  assert.deepEqual(readdirSync(place), before);
});

test("odd files: negative control: a plain open writes through the link", (t) => {
  const { place, victim } = makeHome(t);
  mkdirSync(place);
  symlinkSync(victim, join(place, "mark"));
  writeFileSync(join(place, "mark"), "gone");
  assert.equal(readFileSync(victim, "latin1"), "gone");
});
