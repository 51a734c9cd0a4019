import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { WATCHDOG_MS } from "./watchdog.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** How a process ended, and all it wrote. */
export interface Ending {
  readonly code: number | null;
  /** Set when it crashed, or hung until it was killed. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with. */
export interface ChildOptions {
  readonly args?: readonly string[];
  /** Flags of Node itself. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A TypeScript program in a process of its own; killed after the test if it still runs. */
export class Child {
  readonly process: ChildProcess;
  /** Resolves when the process has ended, by itself or by the watchdog. */
  readonly ended: Promise<Ending>;

  constructor(t: TestContext, program: string, options: ChildOptions) {
    const { args = [], flags = [], env = {} } = options;
    this.process = fork(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      // What these programs cause on purpose is no output of theirs.
      execArgv: ["--import", "tsx", "--disable-warning=BrokerlessWarning", ...flags],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    t.after(() => this.process.kill("SIGKILL"));
    this.ended = this.#end();
  }

  /** The next message that the program sends, which must be a text. */
  async message(): Promise<string> {
    const message = once(this.process, "message").then(([text]) => text as string);
    const early = this.ended.then((ending) => {
      throw new Error(`ended without a message: ${JSON.stringify(ending)}`);
    });
    return await Promise.race([message, early]);
  }

  async #end(): Promise<Ending> {
    const watchdog = setTimeout(() => this.process.kill("SIGKILL"), WATCHDOG_MS);
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      this.process[name]?.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    const [code, signal] = (await once(this.process, "close")) as [
      number | null,
      NodeJS.Signals | null,
    ];
    clearTimeout(watchdog);
    return { code, signal, ...output };
  }
}

/** Runs a program to its end. */
export function runChild(
  t: TestContext,
  program: URL,
  options: ChildOptions = {},
): Promise<Ending> {
  return new Child(t, fileURLToPath(program), options).ended;
}
