import assert from "node:assert/strict";
import { test } from "node:test";
import { raw } from "../../lib/codec/raw.ts";
import { COMMON_DEFAULTS } from "../../lib/core/socket-options.ts";
import type { Appended } from "../../lib/journal/commit/appended.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { ReliableReceiver } from "../../lib/reliable/receiver/reliable-receiver.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { ReliableSender } from "../../lib/reliable/sender/reliable-sender.ts";
import { changed } from "../support/changed.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Random } from "../support/random.ts";
import { type DiskOp, DurableState, SimDisk } from "../support/sim-disk.ts";
import { simPorts } from "../support/sim-ports.ts";
import { SimWire } from "../support/sim-wire.ts";

const LETTERS = ["dead-1", "dead-2", "dead-3"];
const COMMON = { ...COMMON_DEFAULTS, messageBytesMax: 1_000, heartbeatMs: 0 };
const NOBODY = { onPeer: () => {}, onError: () => {} };

/** What a journal's owner finds when it starts: the dead letters, and what it would send. */
interface Found {
  readonly dead: readonly string[];
  readonly live: readonly string[];
}

function openJournal(disk: SimDisk): Promise<FileJournal> {
  const options = { segmentBytes: 4096, batchBytesMax: 512, sync: "always" as const };
  return FileJournal.openWith(simPorts(disk), "/journal", options);
}

/** A sender and a receiver that rejects what is called dead, with time that stands still but for `settle`. */
class Pair {
  readonly sender: ReliableSender<Uint8Array>;
  readonly taken: string[] = [];
  readonly #receiver: ReliableReceiver<Uint8Array>;
  readonly #clock = new ManualClock();
  readonly #wire = new SimWire();

  constructor(journal: Journal) {
    let made = 0;
    const ports = {
      clock: this.#clock,
      random: () => 0.5,
      session: () => ++made,
      id: () => String(++made).padStart(32, "0"),
    };
    const rules = { ...RELIABLE_SEND_DEFAULTS, journal, graceMs: 0 };
    const none = (): void => {};
    const quiet = { ...NOBODY, onDead: none, onDropped: none, onLost: none, onDiverged: none };
    this.sender = new ReliableSender<Uint8Array>(
      {
        common: COMMON,
        codec: raw(),
        schema: null,
        rules,
        ...quiet,
        freeing: { bytes: 2_000, heldTimes: 8, copyBytes: 200 },
      },
      ports,
    );
    const receive = { reliable: true, prefetch: 16, prefetchBytesMax: 100_000, inbox: null };
    this.#receiver = new ReliableReceiver<Uint8Array>(
      {
        common: COMMON,
        codec: raw(),
        schema: null,
        rules: receive,
        ...NOBODY,
        onRevoked: () => {},
        onDiverged: () => {},
        onRetry: () => {},
      },
      ports,
    );
    this.#receiver.links.onConnect(this.#wire.receiverEnd);
    void this.#receiver.inbound.run((value, delivery) => {
      const text = Buffer.from(value).toString();
      this.taken.push(text);
      if (text.startsWith("dead")) delivery.reject("unwanted");
    }, {});
  }

  send(text: string): void {
    void this.sender.send(Buffer.from(text), null, { confirm: "queued" });
  }

  /** Until everything is settled, and saved. */
  async settle(journal: Journal): Promise<void> {
    const { dispatcher, stateStore } = this.sender.links;
    for (let turns = 0; turns < 2_000; turns++) {
      this.#carry();
      this.#clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
      if (dispatcher.floor === journal.seqStored && stateStore.floor === dispatcher.floor) return;
    }
    assert.fail("it does not come to rest");
  }

  #carry(): void {
    const { toSender, toReceiver, senderEnd, receiverEnd } = this.#wire;
    for (const parts of toSender.splice(0)) this.sender.links.onMessage(senderEnd, parts);
    for (const parts of toReceiver.splice(0)) this.#receiver.links.onMessage(receiverEnd, parts);
  }

  async deadLetters(): Promise<string[]> {
    const letters: string[] = [];
    for await (const { value } of this.sender.deadLetters) {
      letters.push(Buffer.from(value!).toString());
    }
    return letters.sort();
  }

  end(): void {
    this.sender.links.abandon();
    this.#receiver.links.abandon();
  }
}

/** Three dead letters at the start, then so many others that their segments are long gone. */
async function play(
  disk: SimDisk,
  wrap: (journal: FileJournal) => Journal = (journal) => journal,
): Promise<{ readonly deadAt: number; readonly journal: FileJournal; readonly dead: string[] }> {
  const journal = await openJournal(disk);
  const wrapped = wrap(journal);
  const pair = new Pair(wrapped);
  for (const letter of LETTERS) pair.send(letter);
  await pair.settle(journal);
  const deadAt = disk.ops.length;
  for (let round = 0; round < 30; round++) {
    for (let index = 0; index < 12; index++) pair.send(`live-${round}-${index}`.padEnd(40, "."));
    await pair.settle(journal);
  }
  const dead = await pair.deadLetters();
  pair.end();
  return { deadAt, journal, dead };
}

async function find(disk: SimDisk): Promise<Found> {
  const journal = await openJournal(disk);
  const pair = new Pair(journal);
  await pair.settle(journal);
  const found = { dead: await pair.deadLetters(), live: pair.taken };
  pair.end();
  await journal.close();
  return found;
}

/** Cuts the power after every change of the disk. @returns what was wrong, in words */
async function cutEverywhere(ops: readonly DiskOp[], from: number): Promise<string[]> {
  const random = new Random(7);
  const state = new DurableState();
  const wrong: string[] = [];
  for (const [index, op] of ops.entries()) {
    state.apply(op);
    if (index + 1 < from) continue;
    const { dead, live } = await find(state.crash(random));
    if (dead.join() !== LETTERS.join()) wrong.push(`after ${index} the dead letters are ${dead}`);
    const again = live.filter((text) => text.startsWith("dead"));
    if (again.length > 0) wrong.push(`after ${index} ${again} came again`);
  }
  return wrong;
}

test("dead letters: a journal of many segments with some at its start is freed, and they are kept", async () => {
  const disk = new SimDisk();
  const { journal, dead } = await play(disk);
  assert.deepEqual(dead, LETTERS);
  assert.ok(journal.seqFirst > 250, `the first seq kept is ${journal.seqFirst}`);
  assert.ok(journal.stats().bytesKept < 16_000, `${journal.stats().bytesKept} bytes are kept`);
  await journal.close();
  assert.deepEqual((await find(disk.clone())).dead, LETTERS);
});

test("dead letters: a power cut at any change of the disk neither loses nor doubles one", async (t) => {
  const disk = new SimDisk();
  const { deadAt } = await play(disk);
  t.diagnostic(`${disk.ops.length - deadAt} cuts`);
  assert.deepEqual(await cutEverywhere(disk.ops, deadAt), []);
});

test("dead letters: copied first and told apart later, they come again (negative control)", async () => {
  const disk = new SimDisk();
  const inTwoSteps = (journal: FileJournal): Journal =>
    changed(journal, {
      appendDraft: (draft, options) => {
        const appended = journal.appendDraft(draft);
        if (options?.values === undefined) return appended;
        const { values } = options;
        return appended.then(() => journal.set(values)) as unknown as Appended;
      },
    });
  const { deadAt } = await play(disk, inTwoSteps);
  const wrong = await cutEverywhere(disk.ops, deadAt);
  assert.ok(
    wrong.some((text) => text.endsWith("came again")),
    wrong.join("\n"),
  );
});

test("dead letters: told apart first and copied later, they are lost (negative control)", async () => {
  const disk = new SimDisk();
  const inTwoSteps = (journal: FileJournal): Journal =>
    changed(journal, {
      appendDraft: (draft, options) => {
        if (options?.values !== undefined) journal.set(options.values);
        return journal.sync().then(() => journal.appendDraft(draft)) as unknown as Appended;
      },
    });
  const { deadAt } = await play(disk, inTwoSteps);
  const wrong = await cutEverywhere(disk.ops, deadAt);
  assert.ok(
    wrong.some((text) => text.includes("the dead letters are")),
    "nothing was lost",
  );
});
