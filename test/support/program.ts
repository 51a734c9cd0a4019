import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

/** A program of the test's that is started, killed and started again; it says what it does line by line. */
export class Program {
  /** Everything it said, over all its lives. */
  readonly lines: string[] = [];
  readonly #t: TestContext;
  readonly #file: string;
  #child: ChildProcess | null = null;

  /** @param file beside the test, as a URL */
  constructor(t: TestContext, file: URL) {
    this.#t = t;
    this.#file = fileURLToPath(file);
    t.after(() => this.kill());
  }

  /** @returns what follows the word `start` */
  async start(args: readonly string[]): Promise<string> {
    const all = ["--import", "tsx", this.#file, ...args];
    const child = spawn(process.execPath, all, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stdin!.on("error", () => {});
    child.stderr!.on("data", (bytes: Buffer) => this.#t.diagnostic(String(bytes).trim()));
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${this.#file} ended early: ${code}`)));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        this.lines.push(line);
        if (line.startsWith("start")) resolve(line.slice(6));
      });
    });
  }

  /** The newest line that starts with a word; its rest. */
  last(word: string): string | undefined {
    return this.lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  }

  say(line: string): void {
    this.#child!.stdin!.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    await new Promise((resolve) => {
      child.removeAllListeners("exit");
      child.once("exit", resolve);
      child.kill("SIGKILL");
    });
  }
}
