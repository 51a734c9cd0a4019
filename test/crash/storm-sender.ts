import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Push, type ReliablePushOptions } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/** What a sender of a storm is told, as JSON. */
export interface StormSender {
  readonly directory: string;
  readonly name: string;
  /** How often it was started, this time included. */
  readonly life: number;
  readonly address: string;
  /** With a journal, with an ack layer in memory, or without one. */
  readonly kind: "journal" | "memory" | "plain";
  readonly rules: Omit<ReliablePushOptions<string>, "reliable">;
}

/** Messages on their way beyond which it sends no more (count). */
const BACKLOG = 500;

/**
 * Binds, sends `NAME-LIFE-1, NAME-LIFE-2, ...` until it is told to end, and writes down what was confirmed. Then
 * it waits until nothing is left.
 */
async function main({ directory, name, life, address, kind, rules }: StormSender): Promise<void> {
  const kinds = {
    journal: async () => ({ journal: await FileJournal.open(join(directory, `journal-${name}`)) }),
    memory: async () => ({ reliable: true }),
    plain: async () => ({}),
  };
  const push = new Push<string>({
    ...(await kinds[kind]()),
    ...rules,
  } as ReliablePushOptions<string>);
  let isOver = false;
  createInterface({ input: process.stdin }).on("line", () => {
    isOver = true;
  });
  process.stdout.write(`start ${await push.bind(address)}\n`);
  for (let number = 0; !isOver; ) {
    const values = Array.from({ length: 10 }, () => `${name}-${life}-${++number}`);
    await Promise.all(values.map((value) => push.send(value)));
    appendFileSync(join(directory, "confirmed"), `${values.join("\n")}\n`);
    if (number % 50 === 0) process.stdout.write(`confirmed ${number}\n`);
    while (push.stats().queuedMessages > BACKLOG && !isOver) await pause(5);
  }
  while (push.stats().queuedMessages > 0) await pause(10);
  process.stdout.write("settled\n");
  // Without an ack layer nobody knows when all has arrived, but behind this there is nothing.
  if (kind === "plain") await push.send("end");
}

/** Between two looks at what is left: no result depends on it. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await main(JSON.parse(process.argv[2]!) as StormSender);
