import * as zmq from "zeromq";
import { Replier, Requester, raw } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import type { Run } from "../run.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Requests in flight in the throughput systems (count). */
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

  receive: zeromqJsEcho,
};

/** REQ allows one request at a time; for more, a DEALER sends REQ's empty frame itself. */
const zeromqJsMany: System = {
  name: `zeromq.js DEALER, ${IN_FLIGHT_MAX} in flight`,
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

  receive: zeromqJsEcho,
};

async function zeromqJsEcho(run: Run): Promise<void> {
  const reply = new zmq.Reply();
  await reply.bind("tcp://127.0.0.1:*");
  run.announce(reply.lastEndpoint!);
  for await (const [question] of reply) await reply.send(question!);
}

const brokerless: System = {
  name: "brokerless",
  baseline: zeromqJs.name,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), 1);
    const requester = new Requester<Uint8Array, Uint8Array>({ codec: raw() });
    requester.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        const startedMs = performance.now();
        const answer = await requester.request(messages.at(seq));
        run.recordLatency(performance.now() - startedMs);
        run.tally.take(readSeq(answer));
      }
    });
  },

  receive: brokerlessEcho,
};

const brokerlessMany: System = {
  name: `brokerless, ${IN_FLIGHT_MAX} in flight`,
  baseline: zeromqJsMany.name,

  async send(run) {
    const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
    const requester = new Requester<Uint8Array, Uint8Array>({ codec: raw() });
    requester.connect(await run.address());
    await run.bursts(async (from, to) => {
      let seq = from;
      const askOneByOne = async () => {
        while (seq < to) run.tally.take(readSeq(await requester.request(messages.at(seq++))));
      };
      await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, askOneByOne));
    });
  },

  receive: brokerlessEcho,
};

async function brokerlessEcho(run: Run): Promise<void> {
  const replier = new Replier<Uint8Array, Uint8Array>({ codec: raw() });
  run.announce(await replier.bind("tcp://127.0.0.1:*"));
  await replier.serve((question) => question, { concurrency: IN_FLIGHT_MAX });
}

/** One requester, one replier that returns each request at once. */
export const scenario: Scenario = {
  name: "request-reply",
  summary: "REQ to REP and back, raw bytes: latency with one outstanding, throughput with many",
  defaults: { size: 100, messages: 50_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: [brokerless, zeromqJs, brokerlessMany, zeromqJsMany],
};
