import { Pull, Push, raw } from "../../lib/index.ts";
import { Messages, readSeq } from "../payload.ts";
import { spread } from "../statistics.ts";
import { settledRssMiB } from "./memory.ts";

const MESSAGE_BYTES = 100;
/** Samples of the memory (count); each tenth of them is reported. */
const SAMPLES = 100;
const SAMPLES_TOLD = SAMPLES / 10;

/** Options of {@link flatMemory}. */
export interface FlatMemoryOptions {
  /** Messages from one socket to the other (count). */
  readonly messages: number;
  /** Called at each tenth of them with the part that has arrived (percent), and the resident set (MiB). */
  readonly onSample?: (percent: number, rssMiB: number) => void;
}

/** The memory over the run. */
export interface FlatMemoryResult {
  readonly received: number;
  /** At each hundredth of the run, including its end (MiB). */
  readonly rssMiB: readonly number[];
  /**
   * Growth from the tenth after the middle to the last tenth, between medians, so that one full queue does not pass for
   * a leak (MiB).
   */
  readonly growthMiB: number;
}

/**
 * Sends messages from a Push to a Pull in this process, and samples its memory: a leak on either side shows.
 *
 * @throws Error when messages arrive out of order
 */
export async function flatMemory(options: FlatMemoryOptions): Promise<FlatMemoryResult> {
  await using pull = new Pull({ codec: raw() });
  await using push = new Push({ codec: raw() });
  push.connect(await pull.bind("tcp://127.0.0.1:*"));
  await push.ready();
  const receiving = receive(pull, options);
  const messages = new Messages(MESSAGE_BYTES, 1);
  for (let seq = 0; seq < options.messages; seq++) await push.send(messages.at(seq));
  const rssMiB = await receiving;
  const median = (from: number) => spread(rssMiB.slice(from, from + SAMPLES / 10)).median;
  const growthMiB = median(SAMPLES * 0.9) - median(SAMPLES * 0.5);
  return { received: options.messages, rssMiB, growthMiB };
}

async function receive(pull: Pull<Uint8Array>, options: FlatMemoryOptions): Promise<number[]> {
  const rssMiB: number[] = [];
  let expected = 0;
  for await (const message of pull) {
    if (readSeq(message) !== expected) {
      throw new Error(`message ${readSeq(message)} arrived where ${expected} was due`);
    }
    expected += 1;
    if (expected >= Math.ceil((options.messages * (rssMiB.length + 1)) / SAMPLES)) {
      const rss = await settledRssMiB();
      rssMiB.push(rss);
      if (rssMiB.length % SAMPLES_TOLD === 0) {
        options.onSample?.((rssMiB.length * 100) / SAMPLES, rss);
      }
    }
    if (expected === options.messages) break;
  }
  return rssMiB;
}
