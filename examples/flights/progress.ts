import type { WriteStream } from "node:tty";
import type { Report } from "./messages.ts";
import { formatNumber } from "./table.ts";

/** Starting the processes may take so long on a busy machine (seconds). */
const START_SECONDS_MAX = 60;

/** Where progress is shown, and what it is measured against. */
export interface ProgressOptions {
  readonly out: WriteStream;
  /** Length of the input; `null` when it cannot be known (bytes). */
  readonly bytesTotal: number | null;
  readonly patienceSeconds: number;
  /** Called when nothing has moved for that long. */
  readonly onStall: (message: string) => void;
}

/** Shows how far the pipeline is: on a terminal a line rewritten, otherwise a line each second. */
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

  /** Takes in one report of a process. */
  see(report: Report): void {
    // Anything counts as movement, the first signs of life included.
    this.#idleSeconds = 0;
    // A source that is started again begins at the beginning of the file.
    if (report.kind === "started") this.#startedAt ??= performance.now();
    if (report.kind === "read") this.#bytesRead = Math.max(this.#bytesRead, report.bytes);
    if (report.kind === "done" || report.kind === "result") this.#count = report.count;
    if (this.#options.out.isTTY && this.#startedAt !== null) this.#rewrite(this.#line());
  }

  /** Since the first record was sent (seconds). */
  get seconds(): number {
    return this.#startedAt === null ? 0 : (performance.now() - this.#startedAt) / 1000;
  }

  /** Says what happened, in a line that stays. */
  note(text: string): void {
    if (this.#options.out.isTTY) this.#rewrite("");
    console.log(`${this.seconds.toFixed(2).padStart(6)} s  ${text}`);
  }

  /** Ends the display; nothing of a rewritten line is left. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#options.out.isTTY) this.#rewrite("");
  }

  #tick(): void {
    const { out, patienceSeconds, onStall } = this.#options;
    if (!out.isTTY && this.#startedAt !== null) out.write(`${this.#line()}\n`);
    // Counted, not measured: a program that was suspended has not been waiting.
    this.#idleSeconds++;
    if (this.#startedAt === null) {
      if (this.#idleSeconds >= START_SECONDS_MAX)
        onStall("the processes have not found each other");
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
