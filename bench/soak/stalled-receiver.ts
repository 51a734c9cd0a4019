import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Push, raw } from "../../lib/index.ts";
import { Messages } from "../payload.ts";
import { settledRssMiB } from "./memory.ts";

const PEER = fileURLToPath(new URL("stalled-peer.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MESSAGE_BYTES = 100;
/**
 * After so long without an accepted message, the kernel's socket buffers and ZeroMQ's queue are certainly full (ms).
 */
const QUIET_MS = 500;

/** Options of {@link stalledReceiver}. */
export interface StalledReceiverOptions {
  /** Option `queueBytesMax` of the sender (MiB). */
  readonly boundMiB: number;
}

/** The memory of a sender whose receiver did not read. */
export interface StalledReceiverResult {
  /** Messages accepted before the sender was full (count). */
  readonly accepted: number;
  readonly queuedMiB: number;
  /** Growth of the sender's resident set (MiB). */
  readonly growthMiB: number;
}

/** Fills a sender whose receiver never reads until it accepts no more, and measures its memory. */
export async function stalledReceiver(
  options: StalledReceiverOptions,
): Promise<StalledReceiverResult> {
  const peer = fork(PEER, [], { cwd: ROOT, execArgv: ["--import", "tsx"] });
  const push = new Push({
    codec: raw(),
    queueBytesMax: options.boundMiB * 2 ** 20,
    lingerMs: 0,
  });
  try {
    const [address] = (await once(peer, "message")) as [string];
    push.connect(address);
    await push.ready();
    const before = await settledRssMiB();
    const accepted = await fill(push);
    const growthMiB = (await settledRssMiB()) - before;
    return { accepted, queuedMiB: push.stats().queuedBytes / 2 ** 20, growthMiB };
  } finally {
    await push.close();
    peer.disconnect();
    await once(peer, "exit");
  }
}

/** Offers messages until none was accepted for a while. */
async function fill(push: Push<Uint8Array>): Promise<number> {
  const messages = new Messages(MESSAGE_BYTES, 1);
  let accepted = 0;
  for (let fullMs = 0; fullMs < QUIET_MS; ) {
    const before = accepted;
    while (push.trySend(messages.at(accepted))) accepted += 1;
    fullMs = accepted === before ? fullMs + 10 : 0;
    await delay(10);
  }
  return accepted;
}
