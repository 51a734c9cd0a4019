import * as zmq from "zeromq";
import { Messages, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Requests on the way at once in the throughput systems (count). */
const IN_FLIGHT_MAX = 256;

const zeromqJs: System = {
  name: "zeromq.js",
  baseline: null,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), 1);
    const request = new zmq.Request();
    request.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        const startedMs = performance.now();
        await request.send(messages.at(seq));
        const [answer] = await request.receive();
        run.recordLatency(performance.now() - startedMs);
        run.tally.take(readSeq(answer!));
      }
    });
  },

  receive: echo,
};

/** REQ allows one request at a time; a DEALER with REQ's empty frame is how to have more. */
const zeromqJsMany: System = {
  name: "zeromq.js DEALER, 256 in flight",
  baseline: null,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
    const dealer = new zmq.Dealer();
    dealer.connect(await run.address());
    await run.bursts(async (from, to) => {
      let sent = from;
      const sendUpTo = async (end: number) => {
        while (sent < Math.min(end, to)) await dealer.send([null, messages.at(sent++)]);
      };
      await sendUpTo(from + IN_FLIGHT_MAX);
      for (let answered = from; answered < to; answered++) {
        const [, answer] = await dealer.receive();
        run.tally.take(readSeq(answer!));
        await sendUpTo(sent + 1);
      }
    });
  },

  receive: echo,
};

async function echo(run: Run): Promise<void> {
  const reply = new zmq.Reply();
  await reply.bind("tcp://127.0.0.1:*");
  run.announce(reply.lastEndpoint!);
  for await (const [question] of reply) await reply.send(question!);
}

/** One requester, one replier that answers at once with what it got. */
export const scenario: Scenario = {
  name: "request-reply",
  summary: "REQ to REP and back, raw bytes: latency with one outstanding, throughput with many",
  defaults: { size: 100, messages: 50_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: [zeromqJs, zeromqJsMany],
};
