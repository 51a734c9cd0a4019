import assert from "node:assert/strict";
import { test } from "node:test";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { Reserve } from "../../lib/journal/segment/reserve.ts";
import { DIRECTORY } from "../support/crash-model.ts";
import { ReliablePair } from "../support/reliable-pair.ts";
import { simPorts } from "../support/sim-ports.ts";
import { TightDisk } from "../support/tight-disk.ts";

const CAPACITY_BYTES = 48 * 1024;
const RESERVE_BYTES = 8 * 1024;
const STARTS = 100;

interface Start {
  readonly journal: FileJournal;
  readonly pair: ReliablePair;
}

/** A sender and a receiver, whose sender is started again and again on a disk that its messages have filled. */
class FullSender {
  readonly disk = new TightDisk(CAPACITY_BYTES);
  readonly #segmentBytes: number;
  readonly received: string[] = [];
  #starts = 0;

  constructor(segmentBytes: number) {
    this.#segmentBytes = segmentBytes;
  }

  async start(): Promise<Start> {
    const seed = ++this.#starts;
    const ports = { ...simPorts(this.disk, seed), reserveBytes: RESERVE_BYTES };
    const options = { segmentBytes: this.#segmentBytes };
    const journal = await FileJournal.openWith(ports, DIRECTORY, options);
    const pair = new ReliablePair(journal, (text, delivery) => {
      this.received.push(text);
      delivery.ack();
    });
    return { journal, pair };
  }

  /** Sends until the disk has no room, then some more. @returns how many are stored (count) */
  async fill({ journal, pair }: Start): Promise<number> {
    for (let sends = 0, refused = 0; refused < 20; sends++) {
      assert.ok(sends < 1_000, "the disk never gets full");
      const errors = pair.errors.length;
      pair.send(`${sends} ${"x".repeat(400)}`);
      await settled(journal);
      if (pair.errors.length > errors) refused += 1;
    }
    return journal.seqStored;
  }

  /** Starts, sends in vain, and ends: in order each second time. @returns what the last start has written (bytes) */
  async restart(): Promise<number> {
    const start = await this.start();
    const stored = start.journal.seqStored;
    assert.equal(await this.fill(start), stored, "entries took what is for values");
    const { bytesWritten } = start.journal.stats();
    if (this.#starts % 2 === 0) {
      start.pair.sender.close();
      await start.pair.sender.links.stateStore.end();
      await start.journal.close().catch(() => {});
    }
    start.pair.kill();
    return bytesWritten;
  }
}

/** What was appended is stored or refused. */
async function settled(journal: FileJournal): Promise<void> {
  await new Promise(setImmediate);
  await journal.sync().catch(() => {});
}

async function filled(segmentBytes: number): Promise<{ full: FullSender; stored: number }> {
  const full = new FullSender(segmentBytes);
  const first = await full.start();
  const stored = await full.fill(first);
  first.pair.kill();
  return { full, stored };
}

for (const segmentBytes of [4096, 2 ** 20]) {
  const size = segmentBytes > CAPACITY_BYTES ? "one segment" : "many segments";
  test(`full disk: after ${STARTS} starts on it all is delivered, and makes room (${size})`, async () => {
    const { full, stored } = await filled(segmentBytes);
    let bytesWritten = 0;
    for (let count = 0; count < STARTS; count++) bytesWritten = await full.restart();
    assert.equal(bytesWritten, 0, "each start takes of the room that is left");
    const { journal, pair } = await full.start();
    await pair.pass(5_000);
    assert.equal(pair.sender.links.stateStore.floor, stored);
    assert.equal(new Set(full.received).size, stored);
    assert.deepEqual(pair.errors, []);
    pair.send("there is room");
    await settled(journal);
    await pair.pass(100);
    assert.equal(full.received.at(-1), "there is room");
    assert.deepEqual(pair.errors, []);
    assert.ok(full.disk.paths.includes(`${DIRECTORY}/reserve`), "nothing is held back again");
    pair.kill();
    await journal.close();
  });
}

/** Fills a disk, starts twice, and lets a receiver have what there is for a minute. @returns what is saved as processed */
async function floorAfterRestarts(): Promise<number> {
  const { full } = await filled(4096);
  for (let count = 0; count < 3; count++) {
    const start = await full.start();
    await full.fill(start);
    start.pair.kill();
  }
  const { pair } = await full.start();
  await pair.pass(10_000);
  pair.kill();
  return pair.sender.links.stateStore.floor;
}

test("full disk: negative control: a reserve that is not known again is of no use", async (t) => {
  assert.ok((await floorAfterRestarts()) > 0);
  for (const name of ["open", "take"] as const) {
    t.mock.method(Reserve.prototype, name, async () => {});
  }
  assert.equal(await floorAfterRestarts(), 0);
});

test("full disk: negative control: entries that may take what the reserve gave leave nothing", async (t) => {
  t.mock.getter(Reserve.prototype, "lack", () => null);
  assert.equal(await floorAfterRestarts(), 0);
});
