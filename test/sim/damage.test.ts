import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { DIRECTORY, entryValue, OPTIONS } from "../support/crash-model.ts";
import { Random } from "../support/random.ts";
import { SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";

const IS_WHOLE = process.env.BROKERLESS_TORTURE === "whole";
const SEGMENT = /\.segment$/;

interface Subject {
  readonly disk: SimDisk;
  readonly seqStored: number;
  readonly segments: readonly string[];
}

/** Three segments: closed in order, or left by a process that died. */
async function subject(isClosed: boolean): Promise<Subject> {
  const disk = new SimDisk();
  const journal = await FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS);
  const isThird = () => disk.paths.filter((path) => SEGMENT.test(path)).length >= 3;
  for (let inThird = 0; inThird < 4; inThird += isThird() ? 1 : 0) {
    const seq = journal.seqNext;
    await journal.append(entryValue(seq), { values: { cursor: Buffer.from(String(seq)) } });
  }
  await journal.sync();
  await new Promise(setImmediate);
  const { seqStored } = journal;
  const died = disk.clone();
  await journal.close();
  return trimmed(isClosed ? disk.clone() : died, seqStored);
}

/**
 * Three segments of one entry each, so small that every bit can be tried: a process that dies and
 * leaves no mark makes the next one begin a segment, with an epoch of its own.
 */
async function smallSubject(isClosed: boolean): Promise<Subject> {
  let disk = new SimDisk();
  let journal: FileJournal | null = null;
  for (let seq = 1; seq <= 3; seq++) {
    if (disk.paths.includes(`${DIRECTORY}/mark`)) disk.poke(`${DIRECTORY}/mark`, null);
    journal = await FileJournal.openWith(simPorts(disk, seq), DIRECTORY, OPTIONS);
    await journal.append(entryValue(seq), { values: { cursor: Buffer.from(String(seq)) } });
    await journal.sync();
    if (seq < 3) disk = disk.clone();
  }
  const died = disk.clone();
  await journal?.close();
  return trimmed(isClosed ? disk : died, 3);
}

function trimmed(disk: SimDisk, seqStored: number): Subject {
  const segments = disk.paths.filter((path) => SEGMENT.test(path));
  for (const path of segments) disk.poke(path, withoutZeros(disk.peek(path)));
  return { disk, seqStored, segments };
}

/** Most of what was preallocated is left out: it would only make the test long. */
function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, Math.min(bytes.length, end + 40));
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = copy[bit >> 3]! ^ (1 << (bit & 7));
  return copy;
}

type Outcome = "refused" | "found on reading" | "found by verify" | "cut" | "whole";

/**
 * What happens with a damaged journal.
 *
 * @throws AssertionError for a wrong value, or for a loss that nobody is told of
 */
async function outcome(disk: SimDisk, seqStored: number, where: string): Promise<Outcome> {
  let journal: FileJournal;
  try {
    journal = await FileJournal.openWith(simPorts(disk, 7), DIRECTORY, OPTIONS);
  } catch (error) {
    assert.ok(error instanceof BrokerlessError, where);
    assert.ok(
      ["BROKERLESS_CORRUPT", "BROKERLESS_VERSION"].includes(error.code),
      `${where}: ${error}`,
    );
    if (error.code === "BROKERLESS_CORRUPT") {
      assert.match(error.damage?.file ?? "", SEGMENT, where);
      assert.ok((error.damage?.seqFirst ?? 0) >= 1, where);
    }
    return "refused";
  }
  let seq = journal.seqFirst;
  try {
    for await (const entry of journal.read()) {
      assert.equal(entry.seq, seq, where);
      assert.ok(entry.value.equals(entryValue(seq)), `${where}: wrong value at ${seq}`);
      seq++;
    }
  } catch (error) {
    if (!(error instanceof BrokerlessError)) throw error;
    assert.equal(error.code, "BROKERLESS_CORRUPT", where);
    assert.equal((await journal.verify()).ok, false, where);
    await journal.close();
    return "found on reading";
  }
  const isSound = (await journal.verify()).ok;
  await journal.close();
  if (seq === seqStored + 1) return isSound ? "whole" : "found by verify";
  assert.notEqual(journal.recovery.cut, null, `${where}: lost in silence from ${seq} on`);
  return "cut";
}

async function damageAll(
  t: { diagnostic(text: string): void },
  given: Subject,
  damages: (subject: Subject) => Iterable<[string, (disk: SimDisk) => void]>,
): Promise<Map<Outcome, number>> {
  assert.equal(await outcome(given.disk.clone(), given.seqStored, "undamaged"), "whole");
  const counts = new Map<Outcome, number>();
  for (const [where, damage] of damages(given)) {
    const disk = given.disk.clone();
    damage(disk);
    const found = await outcome(disk, given.seqStored, where);
    counts.set(found, (counts.get(found) ?? 0) + 1);
  }
  t.diagnostic(JSON.stringify([...counts]));
  return counts;
}

for (const isClosed of [true, false]) {
  const kind = isClosed ? "a closed journal" : "a journal whose process died";

  test(`damage: ${kind}, truncated at every byte`, async (t) => {
    const counts = await damageAll(t, await subject(isClosed), function* ({ disk, segments }) {
      for (const path of segments) {
        const bytes = disk.peek(path);
        for (let length = 0; length < bytes.length; length++) {
          yield [`${path} cut to ${length}`, (copy) => copy.poke(path, bytes.subarray(0, length))];
        }
      }
    });
    // The mark covers all that was stored: nothing of it may be cut as a torn tail.
    assert.equal(counts.get("cut") ?? 0, 0);
  });

  for (const [size, given, stride] of [
    ["small", smallSubject, 1],
    ["larger", subject, IS_WHOLE ? 1 : 30],
  ] as const) {
    const which = stride === 1 ? "every bit" : `one bit in ${stride}`;
    test(`damage: ${kind}, a ${size} one, with ${which} flipped`, async (t) => {
      const random = new Random(3);
      const counts = await damageAll(t, await given(isClosed), function* ({ disk, segments }) {
        for (const path of segments) {
          const bytes = disk.peek(path);
          const step = () => (stride === 1 ? 1 : 1 + random.below(2 * stride));
          for (let bit = 0; bit < bytes.length * 8; bit += step()) {
            yield [`${path} bit ${bit}`, (copy) => copy.poke(path, flipped(bytes, bit))];
          }
        }
      });
      assert.equal(counts.get("cut") ?? 0, 0);
      // Behind the end of a process that died there are zeros, of which nothing depends.
      if (isClosed) assert.equal(counts.get("whole") ?? 0, 0);
    });
  }

  test(`damage: ${kind}, sectors zeroed, doubled and swapped`, async (t) => {
    await damageAll(t, await subject(isClosed), function* ({ disk, segments }) {
      for (const path of segments) {
        const bytes = disk.peek(path);
        const sectors = Math.floor(bytes.length / 512);
        for (let from = 0; from < sectors; from++) {
          const put = (changes: readonly (readonly [number, Buffer])[]) => (copy: SimDisk) => {
            const changed = Buffer.from(bytes);
            for (const [at, part] of changes) part.copy(changed, at * 512);
            copy.poke(path, changed);
          };
          const sector = bytes.subarray(from * 512, from * 512 + 512);
          yield [`${path} sector ${from} zeroed`, put([[from, Buffer.alloc(512)]])];
          for (let to = 0; to < sectors; to++) {
            const other = bytes.subarray(to * 512, to * 512 + 512);
            yield [`${path} sector ${from} over ${to}`, put([[to, sector]])];
            const swap = [[to, sector] as const, [from, other] as const];
            yield [`${path} sectors ${from} and ${to} swapped`, put(swap)];
          }
        }
      }
    });
  });

  test(`damage: ${kind}, each file removed, or put in place of another`, async (t) => {
    const counts = await damageAll(t, await subject(isClosed), function* ({ disk, segments }) {
      for (const path of segments) {
        yield [`${path} removed`, (copy) => copy.poke(path, null)];
        for (const other of segments) {
          if (other === path) continue;
          yield [`${path} replaced`, (copy) => copy.poke(path, disk.peek(other))];
        }
      }
    });
    assert.deepEqual([...counts.keys()], ["refused"]);
  });
}

test("damage: the mark, the checkpoint, or both can be lost or garbled", async () => {
  for (const isClosed of [true, false]) {
    const { disk, seqStored } = await subject(isClosed);
    const aids = disk.paths.filter((path) => !SEGMENT.test(path));
    for (const bytes of [null, Buffer.alloc(0), Buffer.alloc(96, 7)]) {
      for (const lost of [...aids.map((path) => [path]), aids]) {
        const copy = disk.clone();
        for (const path of lost) copy.poke(path, bytes);
        assert.equal(await outcome(copy, seqStored, `${lost} as ${bytes?.length}`), "whole");
      }
    }
  }
});

test("damage: in the middle of the newest segment a later record's durable mark tells", async () => {
  const { disk, seqStored, segments } = await subject(false);
  for (const path of disk.paths) if (!SEGMENT.test(path)) disk.poke(path, null);
  const newest = segments.at(-1)!;
  const bytes = disk.peek(newest);
  bytes[200] = bytes[200]! ^ 1;
  disk.poke(newest, bytes);
  assert.equal(await outcome(disk, seqStored, "without a mark file"), "refused");
});

test("damage: a segment of a later version is refused, and left as it is", async () => {
  const { disk, segments } = await subject(true);
  const path = segments.at(-1)!;
  const { crc32 } = await import("node:zlib");
  const bytes = disk.peek(path);
  bytes.writeUInt16LE(2, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 92);
  disk.poke(path, bytes);
  await assert.rejects(
    FileJournal.openWith(simPorts(disk), DIRECTORY, OPTIONS),
    (error) => (error as BrokerlessError).code === "BROKERLESS_VERSION",
  );
  assert.deepEqual(disk.peek(path), bytes);
});

test("damage: zeros behind the end are a tail, with nothing to report", async () => {
  const { disk, seqStored, segments } = await subject(false);
  const path = segments.at(-1)!;
  disk.poke(path, Buffer.concat([disk.peek(path), Buffer.alloc(5000)]));
  const journal = await FileJournal.openWith(simPorts(disk, 3), DIRECTORY, OPTIONS);
  assert.deepEqual([journal.seqStored, journal.recovery.cut], [seqStored, null]);
  await journal.close();
});

test("damage: garbage behind the end is cut, set aside and reported", async () => {
  const { disk, seqStored, segments } = await subject(true);
  const path = segments.at(-1)!;
  const whole = disk.peek(path);
  const garbage = Buffer.alloc(777, 0xab);
  disk.poke(path, Buffer.concat([whole, garbage]));
  const journal = await FileJournal.openWith(simPorts(disk, 3), DIRECTORY, OPTIONS);
  assert.equal(journal.seqStored, seqStored);
  const { cut } = journal.recovery;
  assert.deepEqual([cut?.offset, cut?.dataEnd], [whole.length, whole.length + 777]);
  assert.deepEqual(disk.peek(`${DIRECTORY}/${cut?.savedAs}`), garbage);
  await journal.close();
});
