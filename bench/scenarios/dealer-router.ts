import * as zmq from "zeromq";
import { Dealer, Router, raw } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import { type Run, WINDOW_MESSAGES } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Room for the whole window: a ROUTER drops messages beyond its peer's queue (count). */
const HIGH_WATER_MARK = WINDOW_MESSAGES * 2;

const zeromqJs: System = {
  name: "zeromq.js",
  baseline: null,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
    const dealer = new zmq.Dealer({
      sendHighWaterMark: HIGH_WATER_MARK,
      receiveHighWaterMark: HIGH_WATER_MARK,
    });
    dealer.connect(await run.address());
    const count = async () => {
      for await (const [message] of dealer) run.tally.take(readSeq(message!));
    };
    const counting = count();
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        if (run.window.isShut(seq)) await run.window.opened(seq);
        await dealer.send(messages.at(seq));
      }
    });
    await counting;
  },

  async receive(run) {
    const router = new zmq.Router({
      sendHighWaterMark: HIGH_WATER_MARK,
      receiveHighWaterMark: HIGH_WATER_MARK,
    });
    await router.bind("tcp://127.0.0.1:*");
    run.announce(router.lastEndpoint!);
    for await (const [peer, message] of router) await router.send([peer!, message!]);
  },
};

const brokerless: System = {
  name: "brokerless",
  baseline: zeromqJs.name,

  async send(run) {
    await sendBrokerless(run, async (dealer) => {
      for await (const message of dealer) run.tally.take(readSeq(message));
    });
  },

  async receive(run) {
    const router = new Router({ codec: raw() });
    run.announce(await router.bind("tcp://127.0.0.1:*"));
    for await (const { peer, value } of router) await router.send(peer, value);
  },
};

const brokerlessBatches: System = {
  name: "brokerless batches()",
  baseline: zeromqJs.name,

  async send(run) {
    await sendBrokerless(run, async (dealer) => {
      for await (const batch of dealer.batches()) {
        for (const message of batch) run.tally.take(readSeq(message));
      }
    });
  },

  async receive(run) {
    const router = new Router({ codec: raw() });
    run.announce(await router.bind("tcp://127.0.0.1:*"));
    for await (const batch of router.batches()) {
      for (const { peer, value } of batch) await router.send(peer, value);
    }
  },
};

async function sendBrokerless(
  run: Run,
  count: (dealer: Dealer<Uint8Array>) => Promise<void>,
): Promise<void> {
  const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
  const dealer = new Dealer({ codec: raw() });
  dealer.connect(await run.address());
  const counting = count(dealer);
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      if (run.window.isShut(seq)) await run.window.opened(seq);
      await dealer.send(messages.at(seq));
    }
  });
  await counting;
}

/** One dealer, one router that sends each message back to its sender. */
export const scenario: Scenario = {
  name: "dealer-router",
  summary: "DEALER to ROUTER and back to the same dealer, raw bytes, round trips; many on the way",
  defaults: { size: 100, messages: 500_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: true,
  systems: [brokerless, brokerlessBatches, zeromqJs],
};
