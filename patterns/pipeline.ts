import { once } from "node:events";
import type { Pull, Push } from "../lib/index.ts";
import { checkFunctions, checkNames } from "./check-names.ts";

/** The result of a stage for `count` of the source's values. */
export interface Portion<T> {
  /** How many of the source's values went into `value` (count). */
  readonly count: number;
  /** The result of the stage. */
  readonly value: T;
}

/** The end of the stream, from the source. */
export interface End {
  /** How many values the source has sent (count). */
  readonly end: number;
}

/** A message to the sink: portions from the stages and, once, the end from the source. */
export type Parcel<T> = Portion<T> | End;

/** Options of {@link runSource}. */
export interface SourceOptions<T> {
  /** The values to send, in order. */
  readonly values: Iterable<T> | AsyncIterable<T>;
  /** The socket to the stages. */
  readonly work: Push<T>;
  /** The socket to the sink. */
  readonly results: Push<End>;
  /** Aborts when the sink has everything, or when the pipeline is stopped early. */
  readonly signal: AbortSignal;
}

/** Options of {@link runStage}. */
export interface StageOptions<In, Out> {
  /** The socket from which values arrive. */
  readonly work: Pull<In>;
  /** The socket for results. */
  readonly results: Push<Portion<Out>>;
  /** Computes one result of the values that arrived together; called for one batch at a time. */
  readonly step: (batch: In[]) => Out | Promise<Out>;
  /** How many of the source's values one input stands for: `portion.count` in a second stage. Default 1. */
  readonly weigh?: ((input: In) => number) | undefined;
  /** Aborts when the sink has everything, or when the pipeline is stopped early. */
  readonly signal: AbortSignal;
}

/** Options of {@link runSink}. */
export interface SinkOptions<T> {
  /** The socket from which results, and the ends of sources, arrive. */
  readonly results: Pull<Parcel<T>>;
  /** Called for one result at a time, in the order of arrival, which is not the order of the source. */
  readonly take: (value: T) => void | Promise<void>;
  /** Called after each batch with the number of the source's values that are done (count). */
  readonly onProgress?: ((count: number) => void) | undefined;
}

/**
 * The first of the three loops of a pipeline over PUSH/PULL, in one process or in many:
 *
 *                  +--> runStage --+
 *     runSource ---+               +--> runSink
 *         |        +--> runStage --+       ^
 *         +------- number of values -------+
 *
 * The end of the stream is a number, not a marker after the last value. PUSH distributes frames to all peers with room,
 * so a marker sent after the values could overtake them on another connection, and of as many markers as there are
 * stages one stage could get two. Instead the source sends the sink the number of values, every result carries the
 * number of values it stands for, and the sink is done when the sums agree. This does not depend on the number of
 * stages, nor on which of them had which value.
 *
 * Waits where a queue is full, so a slow stage slows down the source, and memory stays bounded. Returns only when
 * `signal` aborts: values that ZeroMQ holds and no stage has received yet would be dropped some time (`lingerMs`) after
 * the sockets are closed, which is usually right after this function returns.
 *
 * @returns the number of values sent (count)
 * @throws the error that `values` threw; BrokerlessError `BROKERLESS_CLOSED` when the pipeline is stopped half-way
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
 * It keeps no state between batches and so need not know where the stream ends. The program aborts `signal` when the
 * sink has everything, and the loop returns.
 *
 * @returns how many of the source's values passed through this stage (count)
 * @throws TypeError for wrong options; the error that `step` threw. The pipeline cannot complete after that, so the
 * program must stop it
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
 * It waits for as long as any are missing. PUSH/PULL without `reliable` does not send the messages of a dead stage
 * again, so the program that started the stages has to watch them and stop the pipeline when one is lost.
 *
 * @returns how many of the source's values the results stand for (count)
 * @throws Error when `results` is closed before that, or when results stand for more values than were sent
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

/** Runs `loop`, and ends its waits on `socket` when `signal` aborts. */
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
