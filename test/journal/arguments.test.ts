import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  backupJournal,
  FileJournal,
  type Journal,
  JournalView,
  LmdbJournal,
  MemoryJournal,
  repairJournal,
} from "../../lib/journal/index.ts";
import { assertRefused, type Calls } from "../support/calls.ts";

const NO_PATHS = [undefined, null, 7, "", "a\0b", {}, new URL("file:///tmp")];

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

test("journal arguments: an invalid path of a journal is a TypeError", async (t) => {
  const directory = await temporary(t);
  const calls: Calls = {
    FileJournal: (path) => FileJournal.open(path),
    LmdbJournal: (path) => LmdbJournal.open(path),
    JournalView: (path) => JournalView.open(path),
    repairJournal: (path) => repairJournal(path),
    backupJournal: (path) => backupJournal(path, join(directory, "to")),
    "backupJournal: to": (path) => backupJournal(directory, path),
  };
  const text = (call: string) => new RegExp(`^${call}.*: directory must be a path`);
  await assertRefused(calls, NO_PATHS, text);
});

test("journal arguments: repair options in the wrong place are a TypeError that names the right one", async (t) => {
  const directory = await temporary(t);
  const repair = (ports: never) => repairJournal(directory, ports);
  await assertRefused(
    { repairJournal: repair },
    [{ newStream: true }, {}, null, 7],
    () => /the second argument must be left undefined, and the options be the third, got /,
  );
  const renew = (newStream: never) => repairJournal(directory, undefined, { newStream });
  await assertRefused({ renew }, ["yes", 1, null], () => /newStream must be true or false/);
});

test("journal arguments: a journal refuses invalid arguments, and stores nothing of the call", async (t) => {
  const directory = await temporary(t);
  const file = await FileJournal.open(directory);
  for (const journal of [file, new MemoryJournal()] as Journal[]) {
    const odd = [null, 7, "text", new Map([["a", Buffer.from("1")]])];
    const values: Calls = {
      set: (given) => journal.set(given),
      append: (given) => journal.append(Buffer.from("a"), { values: given }),
    };
    await assertRefused(values, odd, () => /values must be a plain object of names and bytes/);
    const drafts: Calls = { draft: (given) => journal.appendDraft(given) };
    await assertRefused(drafts, [null, undefined, {}, 7], () => /^draft must be a BatchDraft/);
    const seqs: Calls = {
      truncateBefore: (seq) => journal.truncateBefore(seq),
      hold: (seq) => journal.hold("name", seq),
      read: (from) => journal.read({ from }),
    };
    await assertRefused(seqs, [null, 0, 1.5, "1"], () => /a seq/);
    const names: Calls = {
      hold: (name) => journal.hold(name, 1),
      release: (name) => journal.release(name),
      get: (name) => journal.get(name),
    };
    await assertRefused(names, [null, undefined, 7, {}], () => /name of a (hold|value) must be/);
    const reads: Calls = {
      follow: (follow) => journal.read({ follow }),
      signal: (signal) => journal.read({ signal }),
      onMissing: (onMissing) => journal.read({ onMissing }),
    };
    await assertRefused(reads, [null, 7, {}], (call) => new RegExp(`^read: ${call} must be`));
    assert.deepEqual([journal.seqNext, journal.holds().size], [1, 0]);
    await journal.close();
  }
});
