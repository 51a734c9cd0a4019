import { setTimeout as delay } from "node:timers/promises";
import { Pull, Push } from "../../lib/index.ts";
import { openFiles, settledRssMiB } from "./memory.ts";

/**
 * Cycles before the first measurement, in addition to the counted ones: arenas and pools reach their size within 2,000
 * (part of the cycles).
 */
const WARMUP_PART = 0.2;
/**
 * Interval of the checks for closed descriptors: ZeroMQ closes them in a thread of its own, some time after `close`
 * (ms).
 */
const LOOK_INTERVAL_MS = 20;
/** A message that has not arrived by then, even on the busiest host, is lost (ms). */
const ARRIVAL_MS_MAX = 60_000;
/** A descriptor that is not closed by then, even on the busiest host, is leaked (ms). */
const RELEASE_MS_MAX = 60_000;

/** Options of {@link churn}. */
export interface ChurnOptions {
  /** Connects and disconnects (count). */
  readonly cycles: number;
  /** Whether each cycle has a socket of its own, or all share one socket that connects and disconnects. */
  readonly each: "socket" | "connection";
  /** Called at each tenth with the part that is done (percent), and the resident set (MiB). */
  readonly onSample?: (percent: number, rssMiB: number) => void;
}

/** The resources that were left over, with both ends in this process. */
export interface ChurnResult {
  /** Descriptors beyond those before the run (count). */
  readonly filesLeft: number;
  /** Growth of the resident set (MiB). */
  readonly growthMiB: number;
  /** Messages that arrived; every cycle sends one (count). */
  readonly received: number;
}

/** Connects and disconnects repeatedly, with one message each time, and measures the resources left over. */
export async function churn(options: ChurnOptions): Promise<ChurnResult> {
  await using pull = new Pull<number>();
  const address = await pull.bind("tcp://127.0.0.1:*");
  await using shared = new Push<number>();
  const cycle = options.each === "socket" ? ownSocket : sharedSocket(shared);
  for (let index = 0; index < options.cycles * WARMUP_PART; index++)
    await cycle(pull, address, index);
  const filesBefore = openFiles();
  const rssBefore = await settledRssMiB();
  for (let index = 0; index < options.cycles; index++) {
    await cycle(pull, address, index);
    if ((index + 1) % Math.ceil(options.cycles / 10) === 0 && options.onSample !== undefined) {
      options.onSample(Math.round(((index + 1) * 100) / options.cycles), await settledRssMiB());
    }
  }
  const filesLeft = (await filesAfterRelease(filesBefore)) - filesBefore;
  return { filesLeft, growthMiB: (await settledRssMiB()) - rssBefore, received: options.cycles };
}

type Cycle = (pull: Pull<number>, address: string, index: number) => Promise<void>;

const ownSocket: Cycle = async (pull, address, index) => {
  await using push = new Push<number>();
  push.connect(address);
  await push.ready();
  await passOne(push, pull, index);
};

function sharedSocket(push: Push<number>): Cycle {
  return async (pull, address, index) => {
    push.connect(address);
    await push.ready();
    await passOne(push, pull, index);
    push.disconnect(address);
  };
}

async function passOne(push: Push<number>, pull: Pull<number>, index: number): Promise<void> {
  await push.send(index);
  const received = await pull.receive({ timeoutMs: ARRIVAL_MS_MAX });
  if (received !== index) throw new Error(`cycle ${index} received ${received}`);
}

/** Checks until no more descriptors are open than before, or until they count as leaked. */
async function filesAfterRelease(filesBefore: number): Promise<number> {
  const deadlineMs = performance.now() + RELEASE_MS_MAX;
  while (openFiles() > filesBefore && performance.now() < deadlineMs) await delay(LOOK_INTERVAL_MS);
  return openFiles();
}
