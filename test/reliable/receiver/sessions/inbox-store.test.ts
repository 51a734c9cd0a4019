import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeRemembered,
  encodeRemembered,
  INBOX_BYTES_MAX,
  INBOX_STREAMS_MAX,
  InboxSlots,
  type Remembered,
} from "../../../../lib/delivery/saved/inbox-slots.ts";
import { MemoryJournal } from "../../../../lib/journal/index.ts";
import { InboxStore } from "../../../../lib/reliable/receiver/sessions/inbox-store.ts";
import type { ReceiverStream } from "../../../../lib/reliable/receiver/sessions/receiver-stream.ts";
import { range } from "../../../support/fixtures.ts";

const DAY_MS = 24 * 3_600 * 1_000;

/** As much of a stream as an inbox looks at. */
function streamOf(id: string, done: number[], isTransient = false): ReceiverStream {
  const ranges = done.map((seq) => ({ first: seq, last: seq }));
  return {
    id,
    key: id,
    window: {
      state: () => ({ incarnations: [], floor: 0, done: ranges }),
      valid: (range: unknown) => range,
      doneSize: ranges.length,
    },
    storing: new Map(),
    isEnded: false,
    welcome: { transient: isTransient },
  } as unknown as ReceiverStream;
}

function names(journal: MemoryJournal): string[] {
  return [...InboxSlots.names()].filter((name) => journal.get(name) !== null);
}

const NOBODY = () => false;

test("inbox: what is said of a stream is read back, and nothing else is", () => {
  const remembered: Remembered = {
    key: "0123456789abcdef",
    isTransient: true,
    timeS: 4_000_000_000,
    state: { incarnations: [], floor: 7, done: [{ first: 9, last: 2 ** 50 }] },
  };
  const bytes = encodeRemembered(remembered);
  const { state, ...rest } = decodeRemembered(bytes)!;
  assert.deepEqual(rest, { key: "0123456789abcdef", isTransient: true, timeS: 4_000_000_000 });
  assert.deepEqual([state.done[0]!.first, state.done[0]!.last], [9, 2 ** 50]);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeRemembered(bytes.subarray(0, length)), null, `length ${length}`);
  }
  assert.equal(decodeRemembered(Buffer.concat([bytes, Buffer.of(0)])), null);
});

test("inbox: a stream of which nothing was done takes no room", async () => {
  const journal = new MemoryJournal();
  const memory = new InboxStore(journal, () => 0);
  for (const index of range(100)) await memory.remember(streamOf(`s${index}`, []));
  assert.deepEqual(names(journal), []);
  await memory.remember(streamOf("s", [1]));
  assert.deepEqual(names(journal), ["in-0"]);
});

test("inbox: a forgotten stream leaves its slot to the next, across restarts too", async () => {
  const journal = new MemoryJournal();
  const memory = new InboxStore(journal, () => 0);
  for (const id of ["a", "b", "c"]) await memory.remember(streamOf(id, [1]));
  memory.forget("b");
  await journal.sync();
  assert.deepEqual(names(journal), ["in-0", "in-2"]);
  const again = new InboxStore(journal, () => 0);
  assert.deepEqual([again.recall("a")?.done.length, again.recall("b")], [1, null]);
  await again.remember(streamOf("d", [1]));
  await again.remember(streamOf("e", [1]));
  assert.deepEqual(names(journal), ["in-0", "in-1", "in-2", "in-3"]);
  assert.equal(again.recall("c")?.done.length, 1);
});

test("inbox: at its bound it spares floors first, then transient streams, then what was away for a week", async () => {
  const journal = new MemoryJournal();
  let nowMs = 0;
  const memory = new InboxStore(journal, () => nowMs);
  await memory.remember(streamOf("lasting", [1]));
  await memory.remember(streamOf("transient", [1], true));
  await memory.remember(streamOf("live", [1], true));
  await memory.remember(streamOf("floor", [1]));
  await memory.remember(streamOf("floor", []));
  const isLive = (id: string) => id === "live";
  const forgotten = () => memory.forgetOne(isLive);
  assert.deepEqual(forgotten(), { key: "floor", isExact: true });
  assert.deepEqual(forgotten(), { key: "transient", isExact: false });
  nowMs = 6 * DAY_MS;
  assert.equal(forgotten(), null, "what a lasting sender may ask for was forgotten");
  nowMs = 8 * DAY_MS;
  assert.deepEqual(forgotten(), { key: "lasting", isExact: false });
  assert.equal(forgotten(), null);
  assert.equal(memory.recall("live")?.done.length, 1);
});

test("inbox: full of streams it has no room for another, and goes on with those that it knows", async () => {
  const journal = new MemoryJournal();
  const memory = new InboxStore(journal, () => 0);
  const many = range(4_000).map((index) => index * 2 + 1);
  let count = 0;
  while (memory.hasRoomFor("new")) await memory.remember(streamOf(`s${count++}`, many));
  assert.ok(count < INBOX_STREAMS_MAX && count * 8_000 >= INBOX_BYTES_MAX, `${count} streams`);
  assert.ok(memory.hasRoomFor("s0"));
  await memory.remember(streamOf("s0", [1]));
  assert.ok(memory.hasRoomFor("new"), "one that needs less makes room");
  // By their number as well.
  while (memory.forgetOne(NOBODY) !== null);
  const other = new InboxStore(new MemoryJournal(), () => 0);
  for (const index of range(INBOX_STREAMS_MAX)) void other.remember(streamOf(`s${index}`, [1]));
  assert.ok(!other.hasRoomFor("new"));
});

test("inbox: one of an earlier version, or with a slot that cannot be read, is refused", async () => {
  const earlier = new MemoryJournal();
  await earlier.set({ receiver: Buffer.alloc(16) });
  const memory = new InboxStore(earlier, () => 0);
  assert.throws(() => memory.receiver(() => "00".repeat(16)), { code: "BROKERLESS_VERSION" });
  const damaged = new MemoryJournal();
  await damaged.set({ "in-5": Buffer.from("?") });
  assert.throws(() => new InboxStore(damaged, () => 0), { code: "BROKERLESS_CORRUPT" });
});
