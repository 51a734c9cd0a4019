import { setTimeout as delay } from "node:timers/promises";
import * as zmq from "zeromq";
import { Publisher, raw, Subscriber } from "../lib/index.ts";
import { Messages, readSeq } from "./payload.ts";
import { type Run, WINDOW_MESSAGES } from "./run.ts";
import { type System, sizeOf, subscribersOf } from "./scenario.ts";
import type { Tally } from "./tally.ts";

/** The seq of a message that only tests which subscribers are connected; no counted message has it. */
const PROBE_SEQ = 0xffff_ffff;
const PROBE_INTERVAL_MS = 20;
const BASELINE = "zeromq.js";

/** Topics of the messages, in turn. */
type Topics = readonly [string, ...string[]];

/** One publisher and many subscribers of everything, with each system. */
export function publishingSystems(topics: Topics): System[] {
  const send = (run: Run): Promise<void> => sendBrokerless(run, topics);
  return [
    {
      name: "brokerless",
      baseline: BASELINE,
      send,
      receive: (run) => eachSubscriber(run, takeEach),
    },
    {
      name: "brokerless batches()",
      baseline: BASELINE,
      send,
      receive: (run) => eachSubscriber(run, takeBatches),
    },
    {
      name: BASELINE,
      baseline: null,
      send: (run) => sendZeromq(run, topics),
      receive: receiveZeromq,
    },
  ];
}

async function sendZeromq(run: Run, topics: Topics): Promise<void> {
  const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
  // With the default of 1,000 the window would exceed the queue, and a publisher drops messages beyond it.
  const publisher = new zmq.Publisher({ sendHighWaterMark: WINDOW_MESSAGES * 2 });
  await publisher.bind("tcp://127.0.0.1:*");
  run.announce(publisher.lastEndpoint!);
  while (!run.peerReady) {
    await publisher.send([topics[0], messages.at(PROBE_SEQ)]);
    await delay(PROBE_INTERVAL_MS);
  }
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      if (run.window.isShut(seq)) await run.window.opened(seq);
      await publisher.send([topics[seq % topics.length]!, messages.at(seq)]);
    }
  });
}

async function receiveZeromq(run: Run): Promise<void> {
  const address = await run.address();
  const probed = new Set<number>();
  const subscribe = async (index: number) => {
    const tally = run.tallies[index]!;
    const subscriber = new zmq.Subscriber({ receiveHighWaterMark: WINDOW_MESSAGES * 2 });
    subscriber.connect(address);
    subscriber.subscribe("");
    for await (const [, message] of subscriber) {
      const seq = readSeq(message!);
      if (seq !== PROBE_SEQ) tally.take(seq);
      else if (probed.add(index).size === run.tallies.length) run.reportReady();
    }
  };
  await Promise.all(run.tallies.map((_, index) => subscribe(index)));
}

async function sendBrokerless(run: Run, topics: Topics): Promise<void> {
  const messages = new Messages(sizeOf(run.options), WINDOW_MESSAGES);
  const publisher = new Publisher<Record<string, Uint8Array>>({ codec: raw() });
  run.announce(await publisher.bind("tcp://127.0.0.1:*"));
  await publisher.ready({ peers: subscribersOf(run.options) });
  await run.bursts(async (from, to) => {
    for (let seq = from; seq < to; seq++) {
      if (run.window.isShut(seq)) await run.window.opened(seq);
      await publisher.publish(topics[seq % topics.length]!, messages.at(seq));
    }
  });
}

type BytesSubscriber = Subscriber<Record<string, Uint8Array>>;

async function takeEach(subscriber: BytesSubscriber, tally: Tally): Promise<void> {
  for await (const { value } of subscriber) tally.take(readSeq(value));
}

async function takeBatches(subscriber: BytesSubscriber, tally: Tally): Promise<void> {
  for await (const batch of subscriber.batches()) {
    for (const { value } of batch) tally.take(readSeq(value));
  }
}

async function eachSubscriber(
  run: Run,
  receive: (subscriber: BytesSubscriber, tally: Tally) => Promise<void>,
): Promise<void> {
  const address = await run.address();
  await Promise.all(
    run.tallies.map((tally) => {
      const subscriber: BytesSubscriber = new Subscriber({ codec: raw() });
      subscriber.subscribe("#");
      subscriber.connect(address);
      return receive(subscriber, tally);
    }),
  );
}
