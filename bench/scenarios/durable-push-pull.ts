import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zmq from "zeromq";
import { Pull, Push, raw } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { Messages, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/**
 * More messages than are in flight at any time, since the journal does not copy a buffer that a later message could
 * overwrite (count).
 */
const IN_FLIGHT_MAX = 4_096;

const zeromqJs: System = {
  name: "zeromq.js (not durable)",
  baseline: null,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
    const push = new zmq.Push();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) await push.send(messages.at(seq));
    });
  },

  async receive(run) {
    const pull = new zmq.Pull();
    await pull.bind("tcp://127.0.0.1:*");
    run.announce(pull.lastEndpoint!);
    for await (const [message] of pull) run.tally.take(readSeq(message!));
  },
};

/** fdatasync before sending, acknowledgements end to end. */
const durable = (sync: "always" | "never"): System => ({
  name: `brokerless, journal (sync ${sync}), acks`,
  baseline: zeromqJs.name,
  send: (run) => sendThrough(run, sync),
  receive,
});

/** The ack layer alone. */
const reliable: System = {
  name: "brokerless, acks",
  baseline: zeromqJs.name,
  send: (run) => sendThrough(run, null),
  receive,
};

async function sendThrough(run: Run, sync: "always" | "never" | null): Promise<void> {
  const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
  const directory = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const journal = sync === null ? undefined : await FileJournal.open(directory, { sync });
  const push = new Push({ codec: raw(), reliable: true, journal });
  push.connect(await run.address());
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      const message = messages.at(seq);
      if (!push.trySend(message)) await push.send(message, { confirm: "queued" });
    }
  });
}

async function receive(run: Run): Promise<void> {
  const pull = new Pull({ codec: raw(), reliable: true });
  run.announce(await pull.bind("tcp://127.0.0.1:*"));
  for await (const batch of pull.batches()) {
    for (const message of batch) run.tally.take(readSeq(message));
  }
}

/** One sender with a journal, one receiver that acknowledges, raw bytes. */
export const scenario: Scenario = {
  name: "durable-push-pull",
  summary: "PUSH to PULL with a journal and acks, batches(), against zeromq.js without either",
  defaults: { size: 100, messages: 2_000_000, runs: 5, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [durable("always"), durable("never"), reliable, zeromqJs],
};
