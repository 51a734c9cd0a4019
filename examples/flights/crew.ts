import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Order, Report, Task } from "./messages.ts";

type Kind = Report["kind"];
type Of<K extends Kind> = Extract<Report, { kind: K }>;

/**
 * The processes of one pipeline, as the main process sees them. They succeed or fail together: when a process ends that
 * was not killed on purpose, all waits for the pipeline reject.
 */
export class Crew {
  readonly #members: Member[] = [];
  readonly #onReport: (report: Report) => void;
  readonly #cost: string;
  /** Rejects with the first failure. */
  readonly #failed: Promise<never>;
  #reject!: (reason: Error) => void;

  /**
   * @param onReport called for every report as it arrives
   * @param cost the consequence of losing a process, for the error text
   */
  constructor(onReport: (report: Report) => void, cost: string) {
    this.#onReport = onReport;
    this.#cost = cost;
    this.#failed = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    // A failure may happen while nothing waits; the next `until` still rejects with it.
    this.#failed.catch(() => {});
  }

  /**
   * Starts one process.
   *
   * @param file its program, in this folder
   * @param title its name in texts for people
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
      if (code === 0 || member.isVictim) return;
      this.fail(`${title} (process ${child.pid}) ${describeExit(code, signal)}${this.#cost}`);
    });
    this.#members.push(member);
    return member;
  }

  /** Makes all waits fail; only the first reason counts. */
  fail(reason: string): void {
    this.#reject(new Error(reason));
  }

  /** @returns the result of `promise`, unless a process fails first */
  async until<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#failed]);
  }

  /** Sends an order to every running process. */
  order(order: Order): void {
    for (const member of this.#members) member.order(order);
  }

  /** Stops every process, and waits for its end. */
  async dismiss(): Promise<void> {
    this.order({ kind: "stop" });
    await this.until(Promise.all(this.#members.map((member) => member.exited)));
  }

  /** Ends the running processes, at once. */
  kill(): void {
    for (const { child } of this.#members) child.kill("SIGKILL");
  }
}

/** One process of the pipeline, as the main process sees it. */
export class Member {
  readonly title: string;
  readonly child: ChildProcess;
  /** Resolves when the process has ended. */
  readonly exited: Promise<unknown>;

  /** Whether it is to be killed on purpose, so that its end is not a failure. */
  isVictim = false;

  constructor(title: string, child: ChildProcess) {
    this.title = title;
    this.child = child;
    this.exited = once(child, "exit");
  }

  /** Sends it an order, if it is still running. */
  order(order: Order): void {
    // The channel may close between the check and the call; the exit of the process is reported elsewhere.
    if (this.child.connected) this.child.send(order, () => {});
  }

  /** Kills it on purpose. @returns resolves when it has ended */
  async murder(): Promise<void> {
    this.isVictim = true;
    this.child.kill("SIGKILL");
    await this.exited;
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
  return signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
}
