import type { Run } from "./run.ts";

/** What one invocation was asked to measure; resolved, so that nothing below sees `undefined`. */
export interface BenchOptions {
  /** Length of each message (bytes); `null` where the scenario sends objects. */
  readonly size: number | null;
  /** Measured messages in each run, the warm-up not included (count). */
  readonly messages: number;
  /** Repetitions of every system (count). */
  readonly runs: number;
  /** Receiving sockets (count); `null` where the scenario has one. */
  readonly subscribers: number | null;
}

/**
 * One way to do the scenario's work. Each function is the whole program of one process.
 *
 * The harness ends the processes: a program may wait for messages for ever.
 */
export interface System {
  readonly name: string;
  /** The system that this one is compared with; `null` for a baseline. */
  readonly baseline: string | null;
  /** Calls {@link Run.bursts} with what sends messages `from` to `to - 1`. */
  readonly send: (run: Run) => Promise<void>;
  /** Receives, and counts or answers, whatever comes. */
  readonly receive: (run: Run) => Promise<void>;
}

/** A pattern of messaging, and the systems that are compared on it. */
export interface Scenario {
  readonly name: string;
  /** What is measured, in one line under 100 characters. */
  readonly summary: string;
  /** Where it runs, for the report; without it tcp loopback between two processes. */
  readonly where?: string;
  readonly defaults: BenchOptions;
  /** The process whose tallies count what arrived: the sender's where messages come back to it. */
  readonly countedBy: "sender" | "receiver";
  /**
   * Whether senders keep to {@link Run.window}, for sockets that drop what a queue does not take. Costs
   * the receiver about 1 % of its time for reports, so not where the socket itself makes a sender wait.
   */
  readonly paced: boolean;
  /** Whether a run is warmed up by one burst alone: where each leaves behind what the next would find. */
  readonly warmsUpOnce?: boolean;
  readonly systems: readonly System[];
}

/** The size of a raw message; only for scenarios whose defaults have one (bytes). */
export function sizeOf(options: BenchOptions): number {
  if (options.size === null) throw new TypeError("this scenario has no message size");
  return options.size;
}

/** How many sockets receive; only for scenarios whose defaults say so (count). */
export function subscribersOf(options: BenchOptions): number {
  if (options.subscribers === null) throw new TypeError("this scenario has one receiver");
  return options.subscribers;
}
