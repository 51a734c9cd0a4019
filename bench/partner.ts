import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The commands of a partner process, by name. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A process of this program that executes commands, and that can be killed during one. */
export class Partner<C extends Commands> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  /** @param program a module that calls {@link answerAll} */
  constructor(program: URL) {
    this.#child = fork(fileURLToPath(program), [], {
      cwd: ROOT,
      execArgv: ["--import", "tsx"],
      serialization: "advanced",
    });
    this.#child.on("message", (answer: Answer) => this.#take(answer));
    this.#child.on("exit", (code, signal) => {
      const error = new Error(`${program.pathname} ended (${signal ?? code})`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  /** @throws Error with the error of the command, or when the process ends first */
  ask<N extends keyof C & string>(
    name: N,
    argument: Parameters<C[N]>[0],
  ): Promise<Awaited<ReturnType<C[N]>>> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, argument } satisfies Question);
    });
  }

  /** Kills the process without notice, as `kill -9` does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }

  #take({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value as never);
    else waiting?.reject(new Error(error));
  }
}

/** The other side: executes the parent's commands, and ends with it. */
export function answerAll(commands: Commands): void {
  process.on("message", async ({ id, name, argument }: Question) => {
    try {
      const value = await commands[name]!(argument as never);
      process.send?.({ id, value } satisfies Answer, () => {});
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.send?.({ id, error: reason } satisfies Answer, () => {});
    }
  });
  process.on("disconnect", () => process.exit(0));
  // The parent may have ended while this process was loading.
  if (process.connected === false) process.exit(0);
}
