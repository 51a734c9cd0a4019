import { once } from "node:events";
import type { Pull, Push } from "../lib/index.ts";
import { checkFunctions, checkNames } from "./check-names.ts";

/** What a stage made of `count` of the source's values. */
export interface Portion<T> {
  /** How many of the source's values went into `value` (count). */
  readonly count: number;
  /** What the stage made, or the source gave. */
  readonly value: T;
}

/** The source has sent everything. */
export interface End {
  /** How many values there were (count). */
  readonly end: number;
}

/** What arrives at the sink: portions from the stages and, once, the end from the source. */
export type Parcel<T> = Portion<T> | End;

/** What {@link runSource} reads and where it writes. */
export interface SourceOptions<T> {
  /** What is sent, one after another. */
  readonly values: Iterable<T> | AsyncIterable<T>;
  /** To the stages. */
  readonly work: Push<T>;
  /** To the sink. */
  readonly results: Push<End>;
  /** Aborted when the sink has everything, or when the pipeline is given up. */
  readonly signal: AbortSignal;
}

/** What {@link runStage} reads, does and where it writes. */
export interface StageOptions<In, Out> {
  /** Where values come from. */
  readonly work: Pull<In>;
  /** Where results go. */
  readonly results: Push<Portion<Out>>;
  /** Makes one result of the values that arrived together; called for one batch at a time. */
  readonly step: (batch: In[]) => Out | Promise<Out>;
  /** How many of the source's values one input stands for: `portion.count` in a second stage. Default 1. */
  readonly weigh?: ((input: In) => number) | undefined;
  /** Aborted when the sink has everything, or when the pipeline is given up. */
  readonly signal: AbortSignal;
}

/** What {@link runSink} reads and who takes the results. */
export interface SinkOptions<T> {
  /** Where results, and the ends of sources, come from. */
  readonly results: Pull<Parcel<T>>;
  /** Called for one result at a time, in the order of arrival, which is no order of the source. */
  readonly take: (value: T) => void | Promise<void>;
  /** Told after each batch how many of the source's values are done (count). */
  readonly onProgress?: ((count: number) => void) | undefined;
}

/**
 * The first of three loops that make a pipeline over PUSH/PULL, in one process or in many:
 *
 *                  +--> runStage --+
 *     runSource ---+               +--> runSink
 *         |        +--> runStage --+       ^
 *         +---------- how many ------------+
 *
 * The end of the stream is a number, not a marker behind the last value. PUSH deals its frames out
 * to whoever has room, so a marker sent after the values may overtake them on another connection,
 * and of as many markers as there are stages one stage may get two. The source tells the sink how many
 * values there were; every result says how many it was made of; the sink is done when the two agree.
 * Nothing depends on how many stages there are, nor on which of them had which value.
 *
 * Waits where a queue is full, so a slow stage slows the source and memory stays bounded. Returns only
 * when `signal` is aborted: what is with ZeroMQ and not yet with a stage would be dropped some time
 * (`lingerMs`) after the sockets are closed, which is usually right after this returns.
 *
 * @returns how many values were sent (count)
 * @throws what `values` throws; BrokerlessError `BROKERLESS_CLOSED` when given up half-way
 */
export async function runSource<T>(options: SourceOptions<T>): Promise<number> {
  checkNames("runSource", options, ["values", "work", "results", "signal"]);
  const { values, work, results, signal } = options;
  return closingOn(signal, work, async () => {
    let count = 0;
    for await (const value of values) {
      await work.send(value);
      count++;
    }
    await work.drain();
    await results.send({ end: count });
    await results.drain();
    if (!signal.aborted) await once(signal, "abort");
    return count;
  });
}

/**
 * The loop of one parallel stage: a batch in, one result out.
 *
 * It keeps nothing between batches and so need not know where the stream ends; whoever hears from the
 * sink that it has everything aborts `signal`, and the loop returns.
 *
 * @returns how many of the source's values passed through this stage (count)
 * @throws TypeError for wrong options; what `step` throws; the pipeline then cannot complete, and whoever started it must be told
 */
export async function runStage<In, Out>(options: StageOptions<In, Out>): Promise<number> {
  checkNames("runStage", options, ["work", "results", "step", "weigh", "signal"]);
  const { work, results, step, signal, weigh = () => 1 } = options;
  checkFunctions("runStage", { step, weigh });
  return closingOn(signal, work, async () => {
    let total = 0;
    for await (const batch of work.batches()) {
      let count = 0;
      for (const input of batch) count += weigh(input);
      await results.send({ count, value: await step(batch) });
      total += count;
    }
    await results.drain();
    return total;
  });
}

/**
 * The loop at the end of a pipeline: takes results until all of the source's values are accounted for.
 *
 * It waits for as long as anything is missing. PUSH/PULL without `reliable` does not send again what a
 * dead stage held, so whoever started the stages has to watch them and give up when one is lost.
 *
 * @returns how many of the source's values the results were made of (count)
 * @throws Error when `results` is closed before, or when there were results of more than was sent
 */
export async function runSink<T>(options: SinkOptions<T>): Promise<number> {
  checkNames("runSink", options, ["results", "take", "onProgress"]);
  const { results, take, onProgress = () => {} } = options;
  checkFunctions("runSink", { take, onProgress });
  let count = 0;
  let end: number | null = null;
  for await (const parcels of results.batches()) {
    for (const parcel of parcels) {
      if ("end" in parcel) {
        end = parcel.end;
      } else {
        await take(parcel.value);
        count += parcel.count;
      }
    }
    onProgress(count);
    if (end === null || count < end) continue;
    if (count === end) return count;
    throw new Error(`the results stand for ${count} values, of which the source sent ${end}`);
  }
  throw new Error(
    `the pipeline was closed after ${count} of ${end ?? "an unknown number of"} values`,
  );
}

/** Runs `loop`; what it waits for on `socket` ends when `signal` is aborted. */
async function closingOn<T>(
  signal: AbortSignal,
  socket: { close(): Promise<void> },
  loop: () => Promise<T>,
): Promise<T> {
  const close = () => void socket.close();
  if (signal.aborted) close();
  signal.addEventListener("abort", close, { once: true });
  try {
    return await loop();
  } finally {
    signal.removeEventListener("abort", close);
  }
}
