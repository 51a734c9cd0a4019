/** The receiver of `npm run backlog`, in a process of its own; it counts messages. */
import { Pull, raw } from "../../lib/index.ts";
import { nowMs } from "../control.ts";
import { answerAll } from "../partner.ts";
import { readSeq } from "../payload.ts";
import { Tally } from "../tally.ts";

/** After so long without a message, the missing ones count as lost (ms). */
const IDLE_MS = 30_000;

/** Counts of the expected messages. */
export interface Arrivals {
  /** Times of the first and of the last message, by the host's clock (ms). */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly lost: number;
  readonly duplicated: number;
}

const pull = new Pull({ codec: raw(), reliable: true });
const tally = new Tally(Number.POSITIVE_INFINITY, () => {
  if (tally.complete) onComplete();
});
let onComplete: () => void = () => {};
let firstMs = 0;
let lastMs = 0;

async function receive(): Promise<void> {
  for await (const batch of pull.batches()) {
    lastMs = nowMs();
    if (firstMs === 0) firstMs = lastMs;
    for (const message of batch) tally.take(readSeq(message));
  }
}

const commands = {
  async bind(): Promise<string> {
    const address = await pull.bind("tcp://127.0.0.1:*");
    void receive();
    return address;
  },

  connect(address: string): void {
    pull.connect(address);
    void receive();
  },

  /** Expects the messages `first` to `end - 1` from now on. */
  expect({ first, end }: { readonly first: number; readonly end: number }): void {
    firstMs = 0;
    lastMs = nowMs();
    tally.begin(first, end);
  },

  /** @returns resolves when all have arrived, or none has arrived for a while */
  arrivals(): Promise<Arrivals> {
    return new Promise((resolve) => {
      const look = setInterval(() => {
        if (nowMs() - lastMs > IDLE_MS) onComplete();
      }, IDLE_MS / 10);
      onComplete = () => {
        clearInterval(look);
        onComplete = () => {};
        resolve(count());
      };
      if (tally.complete) onComplete();
    });
  },

  /** The arrivals so far. */
  count(): Arrivals {
    return count();
  },
};

function count(): Arrivals {
  return { firstMs, lastMs, lost: tally.lost, duplicated: tally.duplicated };
}

export type ReceiverCommands = typeof commands;

answerAll(commands);
