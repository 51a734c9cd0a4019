import { setTimeout as delay } from "node:timers/promises";
import * as zmq from "zeromq";
import { Publisher, raw, Subscriber } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import { type Run, WINDOW_MESSAGES } from "../run.ts";
import { type Scenario, type System, sizeOf, subscribersOf } from "../scenario.ts";
import type { Tally } from "../tally.ts";

const TOPIC = "trades";

/** The seq of a message that only tests which subscribers are connected; no counted message has it. */
const PROBE_SEQ = 0xffff_ffff;
const PROBE_INTERVAL_MS = 20;

const zeromqJs: System = {
  name: "zeromq.js",
  baseline: null,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
    // With the default of 1,000 the window would exceed the queue, and a publisher drops messages beyond it.
    const publisher = new zmq.Publisher({ sendHighWaterMark: WINDOW_MESSAGES * 2 });
    await publisher.bind("tcp://127.0.0.1:*");
    run.announce(publisher.lastEndpoint!);
    while (!run.peerReady) {
      await publisher.send([TOPIC, messages.at(PROBE_SEQ)]);
      await delay(PROBE_INTERVAL_MS);
    }
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        if (run.window.isShut(seq)) await run.window.opened(seq);
        await publisher.send([TOPIC, messages.at(seq)]);
      }
    });
  },

  async receive(run) {
    const address = await run.address();
    const probed = new Set<number>();
    const subscribe = async (index: number) => {
      const tally = run.tallies[index]!;
      const subscriber = new zmq.Subscriber({ receiveHighWaterMark: WINDOW_MESSAGES * 2 });
      subscriber.connect(address);
      subscriber.subscribe(TOPIC);
      for await (const [, message] of subscriber) {
        const seq = readSeq(message!);
        if (seq !== PROBE_SEQ) tally.take(seq);
        else if (probed.add(index).size === run.tallies.length) run.reportReady();
      }
    };
    await Promise.all(run.tallies.map((_, index) => subscribe(index)));
  },
};

interface Topics {
  readonly [TOPIC]: Uint8Array;
}

const brokerless: System = {
  name: "brokerless",
  baseline: zeromqJs.name,
  send: sendBrokerless,

  async receive(run) {
    await eachSubscriber(run, async (subscriber, tally) => {
      for await (const { value } of subscriber) tally.take(readSeq(value));
    });
  },
};

const brokerlessBatches: System = {
  name: "brokerless batches()",
  baseline: zeromqJs.name,
  send: sendBrokerless,

  async receive(run) {
    await eachSubscriber(run, async (subscriber, tally) => {
      for await (const batch of subscriber.batches()) {
        for (const { value } of batch) tally.take(readSeq(value));
      }
    });
  },
};

async function sendBrokerless(run: Run): Promise<void> {
  const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
  const publisher = new Publisher<Topics>({ codec: raw() });
  run.announce(await publisher.bind("tcp://127.0.0.1:*"));
  await publisher.ready({ peers: subscribersOf(run.options) });
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      if (run.window.isShut(seq)) await run.window.opened(seq);
      await publisher.publish(TOPIC, messages.at(seq));
    }
  });
}

async function eachSubscriber(
  run: Run,
  receive: (subscriber: Subscriber<Topics>, tally: Tally) => Promise<void>,
): Promise<void> {
  const address = await run.address();
  await Promise.all(
    run.tallies.map((tally) => {
      const subscriber = new Subscriber<Topics>({ codec: raw() });
      subscriber.subscribe(TOPIC);
      subscriber.connect(address);
      return receive(subscriber, tally);
    }),
  );
}

/** One publisher, many subscribers in one other process; every delivery counts. */
export const scenario: Scenario = {
  name: "pub-sub",
  summary:
    "PUB to many SUB in one other process, raw bytes, deliveries; paced alike, so none is dropped",
  defaults: { size: 100, messages: 200_000, runs: 5, subscribers: 10 },
  countedBy: "receiver",
  paced: true,
  systems: [brokerless, brokerlessBatches, zeromqJs],
};
