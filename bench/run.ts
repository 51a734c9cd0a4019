import { type ControlLink, type Job, nowMs } from "./control.ts";
import { Counter } from "./counter.ts";
import type { BenchOptions, Scenario } from "./scenario.ts";
import type { Tally } from "./tally.ts";
import { Window } from "./window.ts";

/** How far a paced sender may run ahead of its slowest receiver (count). */
export const WINDOW_MESSAGES = 16_384;

/**
 * Length of the warm-up of a run, if it measures that many messages: V8's optimizing compiler takes most of a second
 * for a fast path, and heaps grow to their size (ms).
 */
const WARMUP_MS = 2_000;

/** How long to listen for duplicates after the last message (ms). */
const LATE_MS = 100;

/** One burst of messages, from `first` up to and without `end`. */
interface Phase {
  readonly first: number;
  readonly end: number;
  readonly measured: boolean;
}

/** The context of a scenario's program: its run, and its channel to the program at the other end. */
export class Run {
  readonly options: BenchOptions;
  /** For senders whose socket may drop messages. */
  readonly window: Window = new Window(WINDOW_MESSAGES);
  readonly #link: ControlLink;
  readonly #counter: Counter;
  readonly #counts: boolean;
  readonly #warmup: number;
  readonly #warmupMs: number;
  #measured = false;
  #startedAtMs: number | null = null;
  #cpu: NodeJS.CpuUsage = process.cpuUsage();
  #latenciesMicros: number[] = [];
  #peerReady = false;
  #resolveEnded: () => void = () => {};

  constructor(link: ControlLink, scenario: Scenario, job: Job) {
    this.#link = link;
    this.options = job.options;
    this.#warmup = job.warmup;
    const isShort = scenario.warmsUpOnce === true || job.options.messages <= job.warmup;
    this.#warmupMs = isShort ? 0 : WARMUP_MS;
    this.#counts = scenario.countedBy === job.role;
    this.#counter = new Counter(job.options.subscribers ?? 1, {
      onProgress: (next) => {
        this.window.advance(next);
        if (scenario.paced && job.role === "receiver") link.post({ kind: "progress", next });
      },
      onEnded: () => {
        link.post({ kind: "ended" });
        this.#onEnded();
      },
    });
    this.#listen();
  }

  /** Counts of each receiving socket; only in the process that counts. */
  get tallies(): readonly Tally[] {
    return this.#counter.tallies;
  }

  /** Counts of the only receiving socket. */
  get tally(): Tally {
    return this.#counter.tallies[0]!;
  }

  /** Sends the other program the address to connect to. */
  announce(address: string): void {
    this.#link.post({ kind: "address", address });
  }

  /** Resolves with the address that the other program announced. */
  async address(): Promise<string> {
    return (await this.#link.take("address")).address;
  }

  /** Reports to the other program that every socket of this one is connected to it. */
  reportReady(): void {
    this.#link.post({ kind: "ready" });
  }

  /** Whether the other program has reported ready. */
  get peerReady(): boolean {
    return this.#peerReady;
  }

  /** Records the duration of one operation (ms). */
  recordLatency(durationMs: number): void {
    this.#latenciesMicros.push(durationMs * 1_000);
  }

  /**
   * Sends in bursts, first for the warm-up and then for the measurement, each time until all messages have arrived.
   *
   * The clock runs from before the first send to the arrival of the last message: messages queued before the receiver
   * was running cannot make a system look faster than it is.
   *
   * @param send sends the messages `from` to `to - 1`
   */
  async bursts(send: (from: number, to: number) => Promise<void>): Promise<void> {
    const startMs = nowMs();
    let first = 0;
    do {
      await this.#burst({ first, end: first + this.#warmup, measured: false }, send);
      first += this.#warmup;
    } while (nowMs() - startMs < this.#warmupMs);
    await this.#burst({ first, end: first + this.options.messages, measured: true }, send);
  }

  async #burst(phase: Phase, send: (from: number, to: number) => Promise<void>): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#link.post({ kind: "begin", ...phase });
    await this.#link.take("begun");
    this.#begin(phase);
    this.#startedAtMs = nowMs();
    // A send that never returns must not keep the run from ending with its losses counted.
    await Promise.race([send(phase.first, phase.end), ended]);
    this.#link.post({ kind: "sent" });
    this.#counter.sent();
    await ended;
  }

  #listen(): void {
    const link = this.#link;
    link.on("begin", (phase) => {
      this.#begin(phase);
      link.post({ kind: "begun" });
    });
    link.on("sent", () => this.#counter.sent());
    link.on("progress", ({ next }) => this.window.advance(next));
    link.on("ended", () => this.#onEnded());
    link.on("ready", () => {
      this.#peerReady = true;
    });
  }

  #begin(phase: Phase): void {
    this.#measured = phase.measured;
    this.#latenciesMicros = [];
    if (this.#counts) this.#counter.begin(phase.first, phase.end);
    this.#cpu = process.cpuUsage();
  }

  #onEnded(): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    const cpuSeconds = (user + system) / 1e6;
    if (this.#measured) setTimeout(() => this.#report(cpuSeconds), LATE_MS);
    this.#resolveEnded();
  }

  #report(cpuSeconds: number): void {
    this.#link.post({
      kind: "outcome",
      outcome: {
        startedAtMs: this.#startedAtMs,
        cpuSeconds,
        rssMiB: process.resourceUsage().maxRSS / 1_024,
        count: this.#counts ? this.#counter.count : null,
        latenciesMicros: Float64Array.from(this.#latenciesMicros),
      },
    });
  }
}
