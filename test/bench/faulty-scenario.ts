/** Not a test: a scenario whose first system loses and repeats messages, run by measure.test.ts. */
import { Pull, Push } from "zeromq";
import { Messages, readSeq } from "../../bench/payload.ts";
import type { Run } from "../../bench/run.ts";
import type { Scenario } from "../../bench/scenario.ts";

async function receive(run: Run): Promise<void> {
  const pull = new Pull();
  await pull.bind("tcp://127.0.0.1:*");
  run.announce(pull.lastEndpoint!);
  for await (const [message] of pull) run.tally.take(readSeq(message!));
}

/** Sends every message as often as `copies` says. */
function sender(copies: (seq: number) => number): (run: Run) => Promise<void> {
  return async (run) => {
    const messages = new Messages(8, 1);
    const push = new Push();
    push.connect(await run.address());
    await run.bursts(async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        for (let copy = 0; copy < copies(seq); copy++) await push.send(messages.at(seq));
      }
    });
  };
}

export const scenario: Scenario = {
  name: "faulty",
  summary: "one system drops and repeats messages, the other is sound",
  defaults: { size: 8, messages: 100, runs: 1, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [
    {
      name: "faulty",
      baseline: "sound",
      send: sender((seq) => (seq % 10 === 3 ? 0 : seq % 10 === 5 ? 2 : 1)),
      receive,
    },
    { name: "sound", baseline: null, send: sender(() => 1), receive },
  ],
};
