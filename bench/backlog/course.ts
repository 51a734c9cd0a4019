import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Partner } from "../partner.ts";
import { spread } from "../statistics.ts";
import type { Arrivals, ReceiverCommands } from "./receiver.ts";
import type { SenderCommands } from "./sender.ts";

/** Samples of the memory while the backlog grows (count). */
const SAMPLES = 100;
/** Longest wait for the receiver's last acknowledgements, even on the busiest host (ms). */
const ACK_MS_MAX = 120_000;
const LOOK_INTERVAL_MS = 50;

/** Options of {@link runBacklog}. */
export interface BacklogOptions {
  /** Messages of the backlog, sent without a receiver (count). */
  readonly messages: number;
  /** Messages that are then sent and received at the same time, for comparison (count). */
  readonly live: number;
  /** Called with each result as soon as it is known. */
  readonly onStep?: (step: string) => void;
}

/** The cost of a backlog. */
export interface BacklogResult {
  /** Messages stored per second, without a receiver. */
  readonly fillPerSecond: number;
  /** The sender's resident set at each hundredth of the backlog (MiB). */
  readonly rssMiB: readonly number[];
  /** Growth from the tenth after the middle to the last tenth, between medians (MiB). */
  readonly growthMiB: number;
  /** From the start of a new process's `FileJournal.open` until it and the socket are open (ms). */
  readonly openMs: number;
  /** From the same start to the first message at the receiver (ms). */
  readonly restartMs: number;
  /** Arrivals per second, from the first message of the backlog to its last. */
  readonly drainPerSecond: number;
  /** The sender's resident set when it had sent the whole backlog (MiB). */
  readonly drainedRssMiB: number;
  /** Arrivals per second, of messages that are sent at the same time. */
  readonly livePerSecond: number;
  /** Lost messages, by the receiver's count. */
  readonly lost: number;
  readonly duplicated: number;
  /** Messages that the sender still stores at the end (count). */
  readonly left: number;
}

/**
 * Fills a backlog in a sender's journal, kills the sender, restarts it, and lets a receiver take all messages; sender
 * and receiver are processes of their own.
 */
export async function runBacklog(options: BacklogOptions): Promise<BacklogResult> {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-backlog-"));
  const partners: Partners = [];
  try {
    const filled = await fill(directory, options, partners);
    return { ...filled, ...(await drain(directory, options, partners)) };
  } finally {
    await Promise.all(partners.map((partner) => partner.kill()));
    rmSync(directory, { recursive: true, force: true });
  }
}

type Partners = { kill(): Promise<void> }[];

async function fill(
  directory: string,
  { messages, onStep }: BacklogOptions,
  partners: Partners,
): Promise<Pick<BacklogResult, "fillPerSecond" | "rssMiB" | "growthMiB">> {
  const sender = new Partner<SenderCommands>(new URL("sender.ts", import.meta.url));
  partners.push(sender);
  await sender.ask("open", directory);
  const sending = { first: 0, end: messages, samples: SAMPLES };
  const { rssMiB, beganMs, storedMs } = await sender.ask("send", sending);
  await sender.kill();
  const fillPerSecond = perSecond(messages, storedMs - beganMs);
  const median = (from: number) => spread(rssMiB.slice(from, from + SAMPLES / 10)).median;
  const growthMiB = median(SAMPLES * 0.9) - median(SAMPLES * 0.5);
  onStep?.(`stored at ${Math.round(fillPerSecond)} messages/s, and killed`);
  return { fillPerSecond, rssMiB, growthMiB };
}

async function drain(
  directory: string,
  { messages, live, onStep }: BacklogOptions,
  partners: Partners,
): Promise<Omit<BacklogResult, "fillPerSecond" | "rssMiB" | "growthMiB">> {
  const receiver = new Partner<ReceiverCommands>(new URL("receiver.ts", import.meta.url));
  const sender = new Partner<SenderCommands>(new URL("sender.ts", import.meta.url));
  partners.push(receiver, sender);
  const address = await receiver.ask("bind", undefined);
  await receiver.ask("expect", { first: 0, end: messages });
  const { beganMs, openedMs } = await sender.ask("open", directory);
  await sender.ask("connect", address);
  const drained = await receiver.ask("arrivals", undefined);
  const drainPerSecond = perSecond(messages, drained.lastMs - drained.firstMs);
  onStep?.(`drained at ${Math.round(drainPerSecond)} messages/s`);
  const drainedRssMiB = await sender.ask("rss", undefined);
  const late = await receiver.ask("count", undefined);
  const { arrived, livePerSecond } = await sendLive(sender, receiver, { messages, live });
  const left = await leftAfter(sender);
  const final = await receiver.ask("count", undefined);
  return {
    openMs: openedMs - beganMs,
    restartMs: drained.firstMs - beganMs,
    drainPerSecond,
    drainedRssMiB,
    livePerSecond,
    lost: drained.lost + arrived.lost,
    duplicated: late.duplicated + final.duplicated,
    left,
  };
}

async function sendLive(
  sender: Partner<SenderCommands>,
  receiver: Partner<ReceiverCommands>,
  { messages, live }: Pick<BacklogOptions, "messages" | "live">,
): Promise<{ readonly arrived: Arrivals; readonly livePerSecond: number }> {
  const range = { first: messages, end: messages + live };
  await receiver.ask("expect", range);
  const arriving = receiver.ask("arrivals", undefined);
  const { beganMs } = await sender.ask("send", { ...range, samples: 0 });
  const arrived = await arriving;
  return { arrived, livePerSecond: perSecond(live, arrived.lastMs - beganMs) };
}

/** @returns messages left after all acknowledgements had time to arrive (count) */
async function leftAfter(sender: Partner<SenderCommands>): Promise<number> {
  const deadlineMs = performance.now() + ACK_MS_MAX;
  let left = await sender.ask("left", undefined);
  while (left > 0 && performance.now() < deadlineMs) {
    await delay(LOOK_INTERVAL_MS);
    left = await sender.ask("left", undefined);
  }
  return left;
}

function perSecond(count: number, ms: number): number {
  return (count * 1_000) / Math.max(ms, 1e-3);
}
