/** The sender of `npm run backlog`, in a process of its own that is killed once. */
import { Push, raw } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { nowMs } from "../control.ts";
import { answerAll } from "../partner.ts";
import { Messages } from "../payload.ts";
import { settledRssMiB } from "../soak/memory.ts";

/** Length of every message (bytes). */
const MESSAGE_BYTES = 100;

/** One batch of messages to send, by their sequence numbers. */
export interface Sending {
  readonly first: number;
  readonly end: number;
  /** Samples of the memory, evenly over the batch (count). */
  readonly samples: number;
}

const messages = new Messages(MESSAGE_BYTES, 1);
let push: Push<Uint8Array> | null = null;
let journal: FileJournal | null = null;

const commands = {
  /** @returns times at which opening began and ended, by the host's clock (ms) */
  async open(directory: string): Promise<{ readonly beganMs: number; readonly openedMs: number }> {
    const beganMs = nowMs();
    journal = await FileJournal.open(directory, { sync: "always" });
    push = new Push({ codec: raw(), journal });
    return { beganMs, openedMs: nowMs() };
  },

  connect(address: string): void {
    push!.connect(address);
  },

  bind(): Promise<string> {
    return push!.bind("tcp://127.0.0.1:*");
  },

  /** Closes in an orderly way. */
  async close(): Promise<void> {
    await push!.close();
    await journal!.close();
  },

  /**
   * @returns the resident set at each sample (MiB), all of the messages being stored at the end; and the time it took
   * (ms)
   */
  async send({ first, end, samples }: Sending): Promise<{
    readonly rssMiB: readonly number[];
    readonly beganMs: number;
    readonly storedMs: number;
  }> {
    const beganMs = nowMs();
    const rssMiB: number[] = [];
    for (let seq = first; seq < end; seq++) {
      const message = messages.at(seq);
      if (!push!.trySend(message)) await push!.send(message, { confirm: "queued" });
      const due = Math.ceil(((end - first) * (rssMiB.length + 1)) / Math.max(samples, 1));
      if (samples > 0 && seq + 1 - first >= due) rssMiB.push(await settledRssMiB());
    }
    await push!.drain();
    return { rssMiB, beganMs, storedMs: nowMs() };
  },

  /** @returns messages that no receiver has acknowledged (count) */
  left(): number {
    return push!.stats().queuedMessages;
  },

  /** @returns the resident set now (MiB) */
  rss(): Promise<number> {
    return settledRssMiB();
  },
};

export type SenderCommands = typeof commands;

answerAll(commands);
