import type { WriteStream } from "node:tty";
import type { Report } from "./messages.ts";
import { formatNumber } from "./table.ts";

/** Longest time that the processes may take to start, on a busy host (seconds). */
const START_SECONDS_MAX = 60;

/** Where progress is shown, and what it is measured against. */
export interface ProgressOptions {
  readonly out: WriteStream;
  /** Length of the input; `null` when it is unknown (bytes). */
  readonly bytesTotal: number | null;
  readonly patienceSeconds: number;
  /** Called when nothing has moved for that long. */
  readonly onStall: (message: string) => void;
}

/**
 * Shows the progress of the pipeline: on a terminal in a line that is rewritten, otherwise in a new line each second.
 */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #timer: NodeJS.Timeout;
  #bytesRead = 0;
  #count = 0;
  #startedAt: number | null = null;
  #idleSeconds = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), 1000);
  }

  /** Processes one report. */
  see(report: Report): void {
    // Every report counts as movement, including the first ones of starting processes.
    this.#idleSeconds = 0;
    // A restarted source reads from the beginning of the file again.
    if (report.kind === "started") this.#startedAt ??= performance.now();
    if (report.kind === "read") this.#bytesRead = Math.max(this.#bytesRead, report.bytes);
    if (report.kind === "done" || report.kind === "result") this.#count = report.count;
    if (this.#options.out.isTTY && this.#startedAt !== null) this.#rewrite(this.#line());
  }

  /** Time since the first record was sent (seconds). */
  get seconds(): number {
    return this.#startedAt === null ? 0 : (performance.now() - this.#startedAt) / 1000;
  }

  /** Prints a line that stays. */
  note(text: string): void {
    if (this.#options.out.isTTY) this.#rewrite("");
    console.log(`${this.seconds.toFixed(2).padStart(6)} s  ${text}`);
  }

  /** Ends the display and removes the rewritten line. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#options.out.isTTY) this.#rewrite("");
  }

  #tick(): void {
    const { out, patienceSeconds, onStall } = this.#options;
    if (!out.isTTY && this.#startedAt !== null) out.write(`${this.#line()}\n`);
    // Counted, not measured: the time during which the program was suspended does not count.
    this.#idleSeconds++;
    if (this.#startedAt === null) {
      if (this.#idleSeconds >= START_SECONDS_MAX)
        onStall("the processes could not connect to each other");
    } else if (this.#idleSeconds >= patienceSeconds) {
      onStall(`nothing has moved for ${patienceSeconds} s, after ${this.#line().trim()}`);
    }
  }

  #line(): string {
    const { bytesTotal } = this.#options;
    const share = bytesTotal === null ? 0 : Math.min(1, this.#bytesRead / bytesTotal);
    const read = bytesTotal === null ? "" : `, ${Math.floor(share * 100)} % of the file read`;
    const rate = Math.round(this.#count / Math.max(this.seconds, 0.001));
    return `  ${formatNumber(this.#count)} records done${read}, ${formatNumber(rate)} records/s`;
  }

  #rewrite(line: string): void {
    this.#options.out.write(`\r\x1b[K${line}`);
  }
}
