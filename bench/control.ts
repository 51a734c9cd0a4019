import type { BenchOptions } from "./scenario.ts";

/** The task of a child process, as JSON in its first argument. */
export interface Job {
  /** URL of the scenario's module. */
  readonly scenario: string;
  readonly system: string;
  readonly role: Role;
  readonly options: BenchOptions;
  /** Messages of the burst that is sent first and not measured (count). */
  readonly warmup: number;
}

export type Role = "sender" | "receiver";

/** The report of one process about the measured part. */
export interface Outcome {
  /** Time at which the sender handed over the first message; `null` from the receiver (ms). */
  readonly startedAtMs: number | null;
  /** User and system time of all threads (seconds). */
  readonly cpuSeconds: number;
  /** Peak resident set of the process since its start (MiB). */
  readonly rssMiB: number;
  /** The counts of the process that counted; `null` from the other one. */
  readonly count: Count | null;
  /** Durations of single operations, if the scenario measures them (microseconds). */
  readonly latenciesMicros: Float64Array;
}

/** Counts of the messages that arrived. */
export interface Count {
  /** Time at which the last message arrived (ms). */
  readonly endedAtMs: number;
  /** Expected arrivals, over all receivers (count). */
  readonly expected: number;
  readonly lost: number;
  readonly duplicated: number;
}

/** Messages between the two children, forwarded by the parent. */
export type Control =
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "ready" }
  | {
      readonly kind: "begin";
      readonly first: number;
      readonly end: number;
      readonly measured: boolean;
    }
  | { readonly kind: "begun" }
  | { readonly kind: "sent" }
  | { readonly kind: "progress"; readonly next: number }
  | { readonly kind: "ended" };

/** Messages from a child to the parent itself. */
export type Verdict =
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  | { readonly kind: "failed"; readonly reason: string };

/** The child's end of the IPC channel, with a queue for each kind of message. */
export class ControlLink {
  readonly #arrived: Control[] = [];
  readonly #waiting = new Map<Control["kind"], (message: Control) => void>();
  readonly #listeners = new Map<Control["kind"], (message: Control) => void>();

  constructor() {
    process.on("message", (message) => this.#deliver(message as Control));
  }

  post(message: Control | Verdict): void {
    // If the parent has ended, `disconnect` reports it. The callback keeps a failed send from being an `error` event of
    // the process.
    process.send?.(message, () => {});
  }

  /** Resolves with the next message of that kind, or the oldest that was not taken. */
  take<K extends Control["kind"]>(kind: K): Promise<Control & { kind: K }> {
    return new Promise((resolve) => {
      const index = this.#arrived.findIndex((message) => message.kind === kind);
      const resume = resolve as (message: Control) => void;
      if (index >= 0) resume(this.#arrived.splice(index, 1)[0]!);
      else this.#waiting.set(kind, resume);
    });
  }

  /** Calls `listener` for every message of that kind. */
  on<K extends Control["kind"]>(kind: K, listener: (message: Control & { kind: K }) => void): void {
    this.#listeners.set(kind, listener as (message: Control) => void);
  }

  #deliver(message: Control): void {
    const listener = this.#listeners.get(message.kind);
    if (listener !== undefined) {
      listener(message);
      return;
    }
    const waiting = this.#waiting.get(message.kind);
    this.#waiting.delete(message.kind);
    if (waiting !== undefined) waiting(message);
    else this.#arrived.push(message);
  }
}

/**
 * A clock that both processes share: CLOCK_MONOTONIC is the same for all processes of a host.
 *
 * @returns milliseconds with a fraction, from an arbitrary origin
 */
export function nowMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1_000 + nanos / 1e6;
}
