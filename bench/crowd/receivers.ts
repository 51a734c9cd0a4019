/** The receiving process of `npm run crowd`: one socket or many; it counts the messages at each. */
import { Pull, raw } from "../../lib/index.ts";
import { answerAll } from "../partner.ts";
import { readSeq } from "../payload.ts";
import { cpuSeconds, type Opening, Sockets } from "./sockets.ts";

/** Counts of the expected messages. */
export interface Census {
  readonly lost: number;
  readonly duplicated: number;
  /** Messages of the receiver that got the fewest (count). */
  readonly fewest: number;
}

const sockets = new Sockets<Pull<Uint8Array>>();
/** Number of arrivals of each message: the order is not guaranteed here. */
let arrivals = new Uint8Array();
let counts: number[] = [];

async function receive(pull: Pull<Uint8Array>, index: number): Promise<void> {
  for await (const batch of pull.batches()) {
    counts[index]! += batch.length;
    for (const message of batch) arrivals[readSeq(message)]! += 1;
  }
}

const commands = {
  /** @param opening with the number of `messages` that are expected (count) */
  async open({
    messages,
    ...opening
  }: Opening & { readonly messages: number }): Promise<string | null> {
    arrivals = new Uint8Array(messages);
    const address = await sockets.open(opening, () => new Pull({ codec: raw(), reliable: true }));
    counts = sockets.all.map(() => 0);
    for (const [index, pull] of sockets.all.entries()) void receive(pull, index);
    return address;
  },

  ready(peers: number): Promise<void> {
    return sockets.ready(peers);
  },

  census(): Census {
    let lost = 0;
    let duplicated = 0;
    for (const times of arrivals) {
      if (times === 0) lost += 1;
      else duplicated += times - 1;
    }
    return { lost, duplicated, fewest: Math.min(...counts) };
  },

  gone(): Promise<number> {
    return sockets.gone();
  },

  close(): Promise<void> {
    return sockets.close();
  },

  cpu(): number {
    return cpuSeconds();
  },
};

export type ReceiversCommands = typeof commands;

answerAll(commands);
