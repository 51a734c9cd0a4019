import * as zmq from "zeromq";
import { Pull, Push, raw } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** More messages than zeromq.js can hold: 1,000 in each of its two queues (count). */
const IN_FLIGHT_MAX = 4_096;

const zeromqJs: System = {
  name: "zeromq.js",
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

const brokerless: System = {
  name: "brokerless",
  baseline: zeromqJs.name,
  send: sendBrokerless,

  async receive(run) {
    const pull = new Pull({ codec: raw() });
    run.announce(await pull.bind("tcp://127.0.0.1:*"));
    for await (const message of pull) run.tally.take(readSeq(message));
  },
};

const brokerlessBatches: System = {
  name: "brokerless batches()",
  baseline: zeromqJs.name,
  send: sendBrokerless,

  async receive(run) {
    const pull = new Pull({ codec: raw() });
    run.announce(await pull.bind("tcp://127.0.0.1:*"));
    for await (const batch of pull.batches()) {
      for (const message of batch) run.tally.take(readSeq(message));
    }
  },
};

async function sendBrokerless(run: Run): Promise<void> {
  const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
  const push = new Push({ codec: raw() });
  push.connect(await run.address());
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      const message = messages.at(seq);
      if (!push.trySend(message)) await push.send(message);
    }
  });
}

/** One sender, one receiver, raw bytes, as fast as the sender's queue accepts them. */
export const scenario: Scenario = {
  name: "push-pull",
  summary: "PUSH to PULL, raw bytes; the sender waits only when its queue is full",
  defaults: { size: 100, messages: 4_000_000, runs: 5, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [brokerless, brokerlessBatches, zeromqJs],
};
