import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pull, Push, type ReliablePush, Replier, Requester, raw } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { BareFile } from "../journal/bare-file.ts";
import { Messages } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** The lower limit for a message that is on disk before it is sent: the disk alone, without a peer. */
const bareWrite: System = {
  name: "one write + fdatasync",
  baseline: null,

  async send(run) {
    await run.address();
    const file = await BareFile.create(join(temporaryDirectory(), "bare"));
    await oneByOne(run, (message) => file.append(message));
  },

  // It receives nothing; the sender waits for it, since it takes part in the start and the end of each burst.
  async receive(run) {
    run.announce("nowhere");
  },
};

/** The lower limit for a message and its acknowledgement: the network alone, without a disk. */
const roundTrip: System = {
  name: "a plain round trip",
  baseline: null,

  async send(run) {
    const requester = new Requester<Uint8Array, Uint8Array>({ codec: raw() });
    requester.connect(await run.address());
    await oneByOne(run, (message) => requester.request(message));
  },

  async receive(run) {
    const replier = new Replier<Uint8Array, Uint8Array>({ codec: raw() });
    run.announce(await replier.bind("tcp://127.0.0.1:*"));
    await replier.serve((question) => question);
  },
};

/** Stored, sent, processed, acknowledged. */
const durable: System = {
  name: "processed, with a journal",
  baseline: bareWrite.name,

  async send(run) {
    const journal = await FileJournal.open(temporaryDirectory());
    await confirmEach(run, new Push({ journal, codec: raw() }));
  },

  receive: acknowledge,
};

/** Sent, processed, acknowledged. */
const reliable: System = {
  name: "processed, without a journal",
  baseline: roundTrip.name,
  send: (run) => confirmEach(run, new Push({ reliable: true, codec: raw() })),
  receive: acknowledge,
};

async function confirmEach(run: Run, push: ReliablePush<Uint8Array>): Promise<void> {
  push.connect(await run.address());
  await oneByOne(run, (message) => push.send(message, { confirm: "processed" }));
}

async function acknowledge(run: Run): Promise<void> {
  const pull = new Pull<Uint8Array>({ reliable: true, codec: raw() });
  run.announce(await pull.bind("tcp://127.0.0.1:*"));
  // A message counts as processed when the loop takes the next one.
  for await (const _ of pull);
}

/** Light load: the next message is sent when the previous one is processed. */
async function oneByOne(
  run: Run,
  handle: (message: Buffer) => PromiseLike<unknown>,
): Promise<void> {
  const messages = new Messages(sizeOf(run.options), 1);
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      const startedMs = performance.now();
      await handle(messages.at(seq));
      run.recordLatency(performance.now() - startedMs);
      run.tally.take(seq);
    }
  });
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** One message at a time, until it is confirmed as processed. */
export const scenario: Scenario = {
  name: "reliable-latency",
  summary: "send until it is processed, one at a time, beside the disk alone and the wire alone",
  defaults: { size: 100, messages: 2_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: [durable, bareWrite, reliable, roundTrip],
};
