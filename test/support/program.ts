import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

/** Lines that are kept (count). */
const LINES_MAX = 10_000;

/** A program of the test's that is started, killed and started again; it says what it does line by line. */
export class Program {
  /** What it said, over all its lives; at least the newest half of LINES_MAX lines. */
  readonly lines: string[] = [];
  readonly #t: TestContext;
  readonly #file: string;
  readonly #wrap: readonly string[];
  #waits: { readonly word: string; readonly resolve: () => void }[] = [];
  #child: ChildProcess | null = null;

  /**
   * @param file beside the test, as a URL; or compiled
   * @param wrap a command, with arguments, that runs the rest of its line
   */
  constructor(t: TestContext, file: URL, wrap: readonly string[] = []) {
    this.#t = t;
    this.#file = fileURLToPath(file);
    this.#wrap = wrap;
    t.after(() => this.kill());
  }

  /** @returns what follows the word `start` */
  async start(args: readonly string[]): Promise<string> {
    const loader = this.#file.endsWith(".ts") ? ["--import", "tsx"] : [];
    const line = [...this.#wrap, process.execPath, ...loader, this.#file, ...args];
    const child = spawn(line[0]!, line.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stdin!.on("error", () => {});
    child.stderr!.on("data", (bytes: Buffer) => this.#t.diagnostic(String(bytes).trim()));
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`${this.#file} ended early: ${code}`)));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        this.#hear(line);
        if (line.startsWith("start")) resolve(line.slice(6));
      });
    });
  }

  /** The newest line that starts with a word; its rest. */
  last(word: string): string | undefined {
    return this.lines.findLast((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
  }

  /** Whether it said exactly this. */
  said(line: string): boolean {
    return this.lines.includes(line);
  }

  /** The next line that starts with a word; never where there is none. */
  next(word: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waits.push({ word, resolve });
    });
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

  #hear(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.splice(0, LINES_MAX / 2);
    const heard = this.#waits.filter(({ word }) => line.startsWith(`${word} `));
    if (heard.length === 0) return;
    this.#waits = this.#waits.filter((wait) => !heard.includes(wait));
    for (const { resolve } of heard) resolve();
  }
}
