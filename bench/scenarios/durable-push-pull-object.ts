import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pull, Push } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { type Order, orderAt } from "../payload.ts";
import type { Run } from "../run.ts";
import type { Scenario, System } from "../scenario.ts";

const plain: System = {
  name: "brokerless, plain",
  baseline: null,

  async send(run) {
    const push = new Push<Order>();
    push.connect(await run.address());
    await sendAll(run, push);
  },

  receive: (run) => receiveAll(run, new Pull<Order>()),
};

/** fdatasync before sending, acknowledgements end to end. */
const durable: System = {
  name: "brokerless, journal, acks",
  baseline: plain.name,

  async send(run) {
    const directory = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    const push = new Push<Order>({ journal: await FileJournal.open(directory) });
    push.connect(await run.address());
    await sendAll(run, push);
  },

  receive: (run) => receiveAll(run, new Pull<Order>({ reliable: true })),
};

async function sendAll(run: Run, push: Push<Order>): Promise<void> {
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      const order = orderAt(seq);
      if (!push.trySend(order)) await push.send(order, { confirm: "queued" });
    }
  });
}

async function receiveAll(run: Run, pull: Pull<Order>): Promise<void> {
  run.announce(await pull.bind("tcp://127.0.0.1:*"));
  for await (const order of pull) run.tally.take(order.id);
}

/** One sender with a journal, one receiver that acknowledges, an object of seven fields. */
export const scenario: Scenario = {
  name: "durable-push-pull-object",
  summary: "PUSH to PULL, objects of 7 fields, with a journal and acks against plain; for await",
  defaults: { size: null, messages: 500_000, runs: 5, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [durable, plain],
};
