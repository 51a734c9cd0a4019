import type { Run } from "./run.ts";

/** The parameters of one invocation, resolved, so that no code below has to handle `undefined`. */
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
 * One implementation of the scenario's work. Each function is the whole program of one process.
 *
 * The harness ends the processes: a program may wait for messages indefinitely.
 */
export interface System {
  readonly name: string;
  /** The system that this one is compared with; `null` for a baseline. */
  readonly baseline: string | null;
  /** Calls {@link Run.bursts} with a function that sends messages `from` to `to - 1`. */
  readonly send: (run: Run) => Promise<void>;
  /** Receives messages, and counts them or replies to them. */
  readonly receive: (run: Run) => Promise<void>;
}

/** A pattern of messaging, and the systems that are compared on it. */
export interface Scenario {
  readonly name: string;
  /** The measurement in one line of less than 100 characters. */
  readonly summary: string;
  /** The setup, for the report; default: tcp loopback between two processes. */
  readonly where?: string;
  readonly defaults: BenchOptions;
  /** The process whose tallies count arrivals: the sender's where messages return to it. */
  readonly countedBy: "sender" | "receiver";
  /**
   * Whether senders observe {@link Run.window}, for sockets that drop messages beyond a full queue. Its reports take
   * the receiver about 1 % of its time, so it is not used where the socket itself makes a sender wait.
   */
  readonly paced: boolean;
  /** Whether a run is warmed up by a single burst: where each burst leaves data behind that the next would meet. */
  readonly warmsUpOnce?: boolean;
  readonly systems: readonly System[];
}

/** The size of a raw message; only for scenarios with a default for it (bytes). */
export function sizeOf(options: BenchOptions): number {
  if (options.size === null) throw new TypeError("this scenario has no message size");
  return options.size;
}

/** The number of receiving sockets; only for scenarios with a default for it (count). */
export function subscribersOf(options: BenchOptions): number {
  if (options.subscribers === null) throw new TypeError("this scenario has one receiver");
  return options.subscribers;
}
