import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Order, Report, Task } from "./messages.ts";

type Kind = Report["kind"];
type Of<K extends Kind> = Extract<Report, { kind: K }>;

/**
 * The processes of one pipeline, seen from outside. They succeed or fail together: when one is lost, the
 * records it held are lost with it, and the sink would wait for them for ever.
 */
export class Crew {
  readonly #members: Member[] = [];
  readonly #onReport: (report: Report) => void;
  /** Rejects with the first failure. */
  readonly #failed: Promise<never>;
  #reject!: (reason: Error) => void;

  /** @param onReport sees every report as it comes */
  constructor(onReport: (report: Report) => void) {
    this.#onReport = onReport;
    this.#failed = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    // A failure may come while nobody waits; the next `until` will still reject with it.
    this.#failed.catch(() => {});
  }

  /**
   * Starts one process.
   *
   * @param file its program, beside this one
   * @param title its name for people
   */
  start(file: string, title: string, task: Task): Member {
    const program = fileURLToPath(new URL(file, import.meta.url));
    const child = fork(program, [JSON.stringify(task)], { serialization: "advanced" });
    const member = new Member(title, child);
    child.on("message", (report: Report) => {
      if (report.kind === "failed") this.fail(report.message);
      this.#onReport(report);
    });
    child.on("error", (error) => this.fail(`${title} could not be started: ${error.message}`));
    child.on("exit", (code, signal) => {
      if (code !== 0) this.fail(`${title} (process ${child.pid}) ${describeExit(code, signal)}`);
    });
    this.#members.push(member);
    return member;
  }

  /** Makes everything that waits fail; only the first reason counts. */
  fail(reason: string): void {
    this.#reject(new Error(reason));
  }

  /** @returns what `promise` gives, unless a process fails before */
  async until<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#failed]);
  }

  /** Tells every process that is still there. */
  order(order: Order): void {
    for (const { child } of this.#members) {
      // The channel may close between the look and the call; the process's exit tells that story.
      if (child.connected) child.send(order, () => {});
    }
  }

  /** Tells every process to stop, and waits for it. */
  async dismiss(): Promise<void> {
    this.order({ kind: "stop" });
    await this.until(Promise.all(this.#members.map((member) => member.exited)));
  }

  /** Ends what is still running, at once. */
  kill(): void {
    for (const { child } of this.#members) child.kill("SIGKILL");
  }
}

/** One process of the pipeline, seen from outside. */
export class Member {
  readonly title: string;
  readonly child: ChildProcess;
  /** Resolves when the process is gone. */
  readonly exited: Promise<unknown>;

  constructor(title: string, child: ChildProcess) {
    this.title = title;
    this.child = child;
    this.exited = once(child, "exit");
  }

  /** @returns the next report of one kind */
  next<K extends Kind>(kind: K): Promise<Of<K>> {
    return new Promise((resolve) => {
      const look = (report: Report) => {
        if (report.kind !== kind) return;
        this.child.off("message", look);
        resolve(report as Of<K>);
      };
      this.child.on("message", look);
    });
  }
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  const how = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
  return `${how}; the records it held are lost, so there is no result`;
}
