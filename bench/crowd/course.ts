import { Partner } from "../partner.ts";
import type { ReceiversCommands } from "./receivers.ts";
import type { SendersCommands } from "./senders.ts";

/**
 * Messages that are sent first and not measured, until compilers and pools have reached their size (part of the
 * messages).
 */
const WARMUP_PART = 0.25;

/** Options of {@link runCrowd}. One of the two counts is 1. */
export interface CrowdOptions {
  readonly senders: number;
  readonly receivers: number;
  /** Messages over all sockets, after the warm-up (count). */
  readonly messages: number;
}

/** The cost of so many sockets, in both processes together. */
export interface CrowdResult {
  /** Processor time from the first send until all messages are acknowledged (microseconds per message). */
  readonly cpuMicros: number;
  readonly messagesPerSecond: number;
  /** Processor time until all are connected, and from their closing until all have disconnected (seconds). */
  readonly joinCpuSeconds: number;
  readonly leaveCpuSeconds: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Messages of the receiver that got the fewest (count). */
  readonly fewest: number;
}

interface Pair {
  readonly senders: Partner<SendersCommands>;
  readonly receivers: Partner<ReceiversCommands>;
}

/** Sends messages from one socket to many or from many to one, each side in a process of its own. */
export async function runCrowd(options: CrowdOptions): Promise<CrowdResult> {
  const pair: Pair = {
    senders: new Partner<SendersCommands>(new URL("senders.ts", import.meta.url)),
    receivers: new Partner<ReceiversCommands>(new URL("receivers.ts", import.meta.url)),
  };
  try {
    return await measure(pair, options);
  } finally {
    await Promise.all([pair.senders.kill(), pair.receivers.kill()]);
  }
}

async function measure(pair: Pair, options: CrowdOptions): Promise<CrowdResult> {
  const { senders, receivers } = pair;
  const { messages } = options;
  const first = Math.ceil(messages * WARMUP_PART);
  const end = first + messages;
  const joinCpuSeconds = await cpuOf(pair, () => join(pair, options, end));
  await senders.ask("send", { first: 0, end: first });
  const beganMs = performance.now();
  const sendCpuSeconds = await cpuOf(pair, () => senders.ask("send", { first, end }));
  const seconds = (performance.now() - beganMs) / 1_000;
  const census = await receivers.ask("census", undefined);
  const leaveCpuSeconds = await cpuOf(pair, () => leave(pair, options));
  return {
    cpuMicros: (sendCpuSeconds * 1e6) / messages,
    messagesPerSecond: messages / seconds,
    joinCpuSeconds,
    leaveCpuSeconds,
    ...census,
  };
}

/** @returns processor time of both processes for the work (seconds) */
async function cpuOf({ senders, receivers }: Pair, work: () => Promise<unknown>): Promise<number> {
  const cpu = async () =>
    (await senders.ask("cpu", undefined)) + (await receivers.ask("cpu", undefined));
  const before = await cpu();
  await work();
  return (await cpu()) - before;
}

async function join(pair: Pair, { senders, receivers }: CrowdOptions, end: number): Promise<void> {
  const to = { count: receivers, messages: end };
  if (senders === 1) {
    const connect = await pair.senders.ask("open", { count: senders, connect: null });
    await pair.receivers.ask("open", { ...to, connect });
  } else {
    const connect = await pair.receivers.ask("open", { ...to, connect: null });
    await pair.senders.ask("open", { count: senders, connect });
  }
  await pair.senders.ask("ready", receivers);
  await pair.receivers.ask("ready", senders);
}

async function leave({ senders, receivers }: Pair, options: CrowdOptions): Promise<void> {
  const manyReceive = options.senders === 1;
  await (manyReceive ? receivers.ask("close", undefined) : senders.ask("close", undefined));
  const left = await (manyReceive
    ? senders.ask("gone", undefined)
    : receivers.ask("gone", undefined));
  if (left > 0) throw new Error(`${left} sockets that were closed still count as peers`);
}
