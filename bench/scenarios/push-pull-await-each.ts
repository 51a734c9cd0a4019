import { pack, unpack } from "msgpackr";
import * as zmq from "zeromq";
import { Pull, Push, raw } from "../../lib/index.ts";
import { Messages, type Order, orderAt, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** More messages than zeromq.js can hold: 1,000 in each of its two queues (count). */
const IN_FLIGHT_MAX = 4_096;

async function boundPull(run: Run): Promise<zmq.Pull> {
  const pull = new zmq.Pull();
  await pull.bind("tcp://127.0.0.1:*");
  run.announce(pull.lastEndpoint!);
  return pull;
}

const zeromqJsRaw: System = {
  name: "zeromq.js raw",
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
    for await (const [message] of await boundPull(run)) run.tally.take(readSeq(message!));
  },
};

const zeromqJsObject: System = {
  name: "zeromq.js + msgpackr object",
  baseline: null,

  async send(run) {
    const push = new zmq.Push();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) await push.send(pack(orderAt(seq)));
    });
  },

  async receive(run) {
    for await (const [message] of await boundPull(run)) {
      const order = unpack(message!) as Order;
      run.tally.take(order.id);
    }
  },
};

const brokerlessRaw: System = {
  name: "brokerless raw",
  baseline: zeromqJsRaw.name,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
    const push = new Push({ codec: raw() });
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) await push.send(messages.at(seq));
    });
  },

  async receive(run) {
    const pull = new Pull({ codec: raw() });
    run.announce(await pull.bind("tcp://127.0.0.1:*"));
    for await (const message of pull) run.tally.take(readSeq(message));
  },
};

const brokerlessObject: System = {
  name: "brokerless object",
  baseline: zeromqJsObject.name,

  async send(run) {
    const push = new Push<Order>();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) await push.send(orderAt(seq));
    });
  },

  async receive(run) {
    const pull = new Pull<Order>();
    run.announce(await pull.bind("tcp://127.0.0.1:*"));
    for await (const order of pull) run.tally.take(order.id);
  },
};

/** One sender that awaits every `send`, one receiver; raw bytes, and objects of seven fields. */
export const scenario: Scenario = {
  name: "push-pull-await-each",
  summary: "PUSH to PULL, the sender awaits each send; raw bytes, and objects of 7 fields",
  defaults: { size: 100, messages: 2_000_000, runs: 5, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [brokerlessRaw, zeromqJsRaw, brokerlessObject, zeromqJsObject],
};
