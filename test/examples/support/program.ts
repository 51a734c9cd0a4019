import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** How a program ended, and all it wrote. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of this repository while it runs. */
export class Program {
  readonly child: ChildProcess;
  #stdout = "";
  #stderr = "";
  readonly #ending: Promise<Ending>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on("data", (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.on("data", (text: string) => {
      this.#stderr += text;
    });
    child.stdout?.setEncoding("utf8");
    child.stderr?.setEncoding("utf8");
    this.#ending = once(child, "close").then(([code, signal]) => {
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
  }

  /** Waits for the program to end by itself. */
  ended(): Promise<Ending> {
    return this.#ending;
  }

  /**
   * Waits until `pattern` is found in all that was written to both outputs so far.
   *
   * @throws Error when the program ends without having written it
   */
  async wrote(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = (this.#stdout + this.#stderr).match(pattern);
      if (match !== null) return match;
      const more = new AbortController();
      const next = [this.child.stdout!, this.child.stderr!].map((output) =>
        once(output, "data", more).then(() => null),
      );
      const ending = await Promise.race([...next, this.#ending]);
      more.abort();
      await Promise.allSettled(next);
      if (ending !== null) throw new Error(`ended without ${pattern}: ${JSON.stringify(ending)}`);
    }
  }
}

/** Starts a TypeScript program; it is killed after the test if it still runs. */
export function start(t: TestContext, file: string, ...args: readonly string[]): Program {
  return startWith(t, {}, file, ...args);
}

/** The same with something more in its environment. */
export function startWith(
  t: TestContext,
  env: Readonly<Record<string, string>>,
  file: string,
  ...args: readonly string[]
): Program {
  const child = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill("SIGKILL"));
  return new Program(child);
}

/** Runs a TypeScript program to its end. */
export function run(t: TestContext, file: string, ...args: readonly string[]): Promise<Ending> {
  return start(t, file, ...args).ended();
}
