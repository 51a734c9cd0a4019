import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { entryValue } from "./crash-model.ts";

const APPENDER = fileURLToPath(new URL("../crash/appender.mjs", import.meta.url));

/** What an appender of a compiled tree imports: less than the index, so that it starts sooner. */
export function victimModule(tree: string): string {
  return `${tree}/lib/journal/file/file-journal.js`;
}

/** What was seen of a process from outside. */
export interface Seen {
  /** Last seq that it said to be stored. */
  readonly stored: number;
}

/** Runs an appender until it has said so many lines, then ends it by `end`. */
export async function runAppender(options: {
  readonly module: string;
  readonly directory: string;
  readonly seed: number;
  readonly lines: number;
  /** Whether what it says while it is being ended counts as said. */
  readonly hearsToTheEnd: boolean;
  end(pid: number): Promise<void>;
}): Promise<Seen> {
  const { module, directory, seed } = options;
  const child = spawn(process.execPath, [APPENDER, module, directory, String(seed)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "close");
  let stored = 0;
  let lines = 0;
  let ended: Promise<void> | null = null;
  for await (const line of createInterface({ input: child.stdout })) {
    // A line that the kill cut short is no promise.
    const counts = ended === null || options.hearsToTheEnd;
    if (counts && /^\d+$/.test(line)) stored = Math.max(stored, Number(line));
    if (++lines >= options.lines) ended ??= options.end(child.pid!);
  }
  await ended;
  await exited;
  return { stored };
}

/** What a check after a crash found. */
export interface Found {
  readonly seqStored: number;
  readonly cut: boolean;
}

/** Recovers as the next process would, and checks every entry. */
export async function checkJournal(directory: string, seen: Seen, where: string): Promise<Found> {
  const journal = await FileJournal.open(directory, { segmentBytes: 2 ** 20, batchBytesMax: 4096 });
  const { seqStored } = journal;
  try {
    assert.ok(seqStored >= seen.stored, `${where}: lost, ${seqStored} < ${seen.stored}`);
    let seq = journal.seqFirst;
    for await (const entry of journal.read()) {
      assert.equal(entry.seq, seq, `${where}: a hole`);
      assert.ok(entry.value.equals(entryValue(seq)), `${where}: wrong value at ${seq}`);
      seq++;
    }
    assert.equal(seq, seqStored + 1, where);
    const cursor = journal.get("cursor");
    assert.equal(cursor === null ? 0 : Number(String(cursor)), seqStored, `${where}: the cursor`);
    return { seqStored, cut: journal.recovery.cut !== null };
  } finally {
    await journal.close();
  }
}
