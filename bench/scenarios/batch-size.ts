import { Pull, Push, raw } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Frame lengths that are compared (bytes). */
const BATCH_BYTES = [1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576] as const;
/** Most buffers in flight of a sender without batches (count). */
const IN_FLIGHT_MAX = 4_096;

function system(name: string, batch: { readonly batchBytesMax: number } | false): System {
  return {
    name,
    baseline: batch === false ? null : "batch: false",

    async send(run) {
      const messages = new Messages(sizeOf(run.options), IN_FLIGHT_MAX);
      const push = new Push({ codec: raw(), batch });
      push.connect(await run.address());
      await run.bursts(async (from, to) => {
        for (let seq = from; seq < to; seq++) {
          const message = messages.at(seq);
          if (!push.trySend(message)) await push.send(message);
        }
      });
    },

    async receive(run) {
      const pull = new Pull({ codec: raw(), batch });
      run.announce(await pull.bind("tcp://127.0.0.1:*"));
      for await (const received of pull.batches()) {
        for (const message of received) run.tally.take(readSeq(message));
      }
    },
  };
}

/** Throughput by frame length: the reason for the default of `batchBytesMax`. */
export const scenario: Scenario = {
  name: "batch-size",
  summary: "PUSH to PULL, raw bytes, batches(), by the bytes that force a frame out",
  defaults: { size: 100, messages: 2_000_000, runs: 3, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [
    ...BATCH_BYTES.map((bytes) => system(`${bytes} bytes`, { batchBytesMax: bytes })),
    system("batch: false", false),
  ],
};
