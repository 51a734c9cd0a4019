import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Partner } from "../partner.ts";
import type { ReceiverCommands } from "./receiver.ts";
import type { SenderCommands } from "./sender.ts";

/** The side of a connection that binds. */
export type Listener = "sender" | "receiver";

/** How fast one backlog drained. */
export interface DrainRate {
  readonly listener: Listener;
  /** Messages (count). */
  readonly messages: number;
  /** Arrivals per second, from the first to the last. */
  readonly perSecond: number;
  readonly lost: number;
}

/**
 * Fills a backlog, closes the sender in an orderly way, restarts it, and lets a receiver take all messages, for each
 * size and for each side that binds. The cost of a message must not depend on their number.
 */
export async function runDrains(
  sizes: readonly number[],
  onRate: (rate: DrainRate) => void = () => {},
): Promise<DrainRate[]> {
  const rates: DrainRate[] = [];
  for (const listener of ["sender", "receiver"] as const) {
    for (const messages of sizes) {
      const rate = await drainOnce(listener, messages);
      onRate(rate);
      rates.push(rate);
    }
  }
  return rates;
}

async function drainOnce(listener: Listener, messages: number): Promise<DrainRate> {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-drain-"));
  const partners: { kill(): Promise<void> }[] = [];
  const sender = async () => {
    const partner = new Partner<SenderCommands>(new URL("sender.ts", import.meta.url));
    partners.push(partner);
    await partner.ask("open", directory);
    return partner;
  };
  try {
    const before = await sender();
    await before.ask("send", { first: 0, end: messages, samples: 0 });
    await before.ask("close", undefined);
    const receiver = new Partner<ReceiverCommands>(new URL("receiver.ts", import.meta.url));
    partners.push(receiver);
    const after = await sender();
    await receiver.ask("expect", { first: 0, end: messages });
    if (listener === "receiver") await after.ask("connect", await receiver.ask("bind", undefined));
    else await receiver.ask("connect", await after.ask("bind", undefined));
    const { firstMs, lastMs, lost } = await receiver.ask("arrivals", undefined);
    const perSecond = (messages * 1_000) / Math.max(lastMs - firstMs, 1);
    return { listener, messages, perSecond, lost };
  } finally {
    await Promise.all(partners.map((partner) => partner.kill()));
    rmSync(directory, { recursive: true, force: true });
  }
}
