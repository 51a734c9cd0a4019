import { pack, unpack } from "msgpackr";
import * as zmq from "zeromq";
import { Pull, Push } from "../../lib/index.ts";
import { type Order, orderAt } from "../payload.ts";
import type { Scenario, System } from "../scenario.ts";

const zeromqJs: System = {
  name: "zeromq.js + msgpackr",
  baseline: null,

  async send(run) {
    const push = new zmq.Push();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) await push.send(pack(orderAt(seq)));
    });
  },

  async receive(run) {
    const pull = new zmq.Pull();
    await pull.bind("tcp://127.0.0.1:*");
    run.announce(pull.lastEndpoint!);
    for await (const [message] of pull) {
      const order = unpack(message!) as Order;
      run.tally.take(order.id);
    }
  },
};

const brokerless: System = {
  name: "brokerless",
  baseline: zeromqJs.name,

  async send(run) {
    const push = new Push<Order>();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        const order = orderAt(seq);
        if (!push.trySend(order)) await push.send(order);
      }
    });
  },

  async receive(run) {
    const pull = new Pull<Order>();
    run.announce(await pull.bind("tcp://127.0.0.1:*"));
    for await (const order of pull) run.tally.take(order.id);
  },
};

/** One sender, one receiver, an object of seven fields. */
export const scenario: Scenario = {
  name: "push-pull-object",
  summary:
    "PUSH to PULL, objects of 7 fields in MessagePack; the sender waits when its queue is full",
  defaults: { size: null, messages: 2_000_000, runs: 5, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [brokerless, zeromqJs],
};
