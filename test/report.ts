/**
 * A reporter for Node's own runner: which files took longest, which tests were skipped and why, and which failed.
 * `npm test` prints it last, because logs are cut at their beginning; the one-line list of what failed is the end of it.
 */
import { relative, resolve } from "node:path";
import { inspect } from "node:util";

/** Lines of each part of an error that are printed (count): where it was thrown, not the whole of a large value. */
const ERROR_LINES_MAX = 12;
/** Files of those that took longest (count). */
const SLOWEST_MAX = 10;
/** Lines kept of what a file wrote on its standard error (count): they say why a file ended that reported no test. */
const STDERR_LINES_MAX = 20;
const NO_REASON = "no reason given";
const FAILED = "=== Failed tests: ";
/** The end of a report that names no failure. */
export const NONE_FAILED: string = `${FAILED}0\n`;

/**
 * Whether the environment asks for it: with `BROKERLESS_SKIPS=refused` a test that is skipped has failed.
 *
 * @throws TypeError for another value, which would refuse nothing
 */
export function refusesSkips(): boolean {
  const { BROKERLESS_SKIPS: asked = "" } = process.env;
  if (asked === "" || asked === "refused") return asked === "refused";
  throw new TypeError(`BROKERLESS_SKIPS must be "refused" or absent, got ${JSON.stringify(asked)}`);
}

/** The part of an event of the runner that is read here: it is the same from Node 20 on. */
interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly nesting?: number;
    /** Where the test is written, which may be a file that several test files share. */
    readonly file?: string;
    /** The test file that was run, in newer versions of Node. */
    readonly entryFile?: string;
    readonly message?: string;
    readonly todo?: string | boolean;
    readonly skip?: string | boolean;
    readonly details?: { readonly duration_ms?: number; readonly error?: TestError };
  };
}

interface TestError extends Error {
  readonly failureType?: string;
  readonly exitCode?: number;
  readonly signal?: string;
}

interface Failure {
  readonly title: string;
  readonly error: unknown;
  /** What else is known of it; empty: nothing. */
  readonly notes: readonly string[];
}

/** Collects what the runner tells, in the order in which it tells it. */
class Report {
  readonly #refusesSkips = refusesSkips();
  readonly #failures: Failure[] = [];
  readonly #skipped: string[] = [];
  readonly #durations = new Map<string, number>();
  readonly #stderr = new Map<string, string[]>();
  /** The test that is told of, and those around it, outermost first. */
  readonly #names: string[] = [];

  hear({ type, data }: TestEvent): void {
    const { name = "", nesting = 0, file = "", details } = data;
    if (type === "test:start") this.#names.splice(nesting, Infinity, name);
    if (type === "test:stderr") this.#keep(resolve(file), data.message ?? "");
    // A file is a test of the runner's own, named like its path.
    const isFile = nesting === 0 && resolve(name) === resolve(file);
    if (type === "test:complete" && isFile)
      this.#durations.set(resolve(file), details?.duration_ms ?? 0);
    if (type === "test:fail" && !data.todo) this.#fail(data, isFile);
    const { skip } = data;
    if (type === "test:pass" && skip !== undefined && skip !== false)
      this.#skip(this.#titleOf(file, nesting), skip === true || skip === "" ? NO_REASON : skip);
  }

  text(): string {
    const slowest = [...this.#durations].sort(([, a], [, b]) => b - a).slice(0, SLOWEST_MAX);
    const lines = [`=== The ${slowest.length} files of ${this.#durations.size} that took longest`];
    for (const [file, ms] of slowest)
      lines.push(`${(ms / 1000).toFixed(1).padStart(7)} s  ${short(file)}`);
    lines.push("", `=== Skipped tests: ${this.#skipped.length}`, ...this.#skipped);
    for (const [index, failure] of this.#failures.entries())
      lines.push("", `=== Failure ${index + 1}`, failure.title, ...describe(failure));
    lines.push("", `${FAILED}${this.#failures.length}`);
    for (const { title } of this.#failures) lines.push(title);
    return `\n${lines.join("\n")}\n`;
  }

  #skip(title: string, reason: string) {
    this.#skipped.push(`${title}: ${reason}`);
    if (!this.#refusesSkips) return;
    const error = `skipped, which BROKERLESS_SKIPS=refused does not allow: ${reason}`;
    this.#failures.push({ title: `${title} (skipped)`, error, notes: [] });
  }

  #fail({ nesting = 0, file = "", entryFile, details }: TestEvent["data"], isFile: boolean) {
    const failed = details?.error;
    // Told of by the test within, and by no line of its own.
    if (failed?.failureType === "subtestsFailed") return;
    const error = failed?.cause ?? failed;
    if (isFile) {
      const end = `exit code ${failed?.exitCode ?? "none"}, signal ${failed?.signal ?? "none"}`;
      const notes = [end, ...(this.#stderr.get(resolve(file)) ?? [])];
      this.#failures.push({ title: `${short(file)} (the file as a whole)`, error, notes });
      return;
    }
    const run = entryFile ?? testFileIn(error) ?? file;
    const title = this.#titleOf(run, nesting);
    const notes = short(run) === short(file) ? [] : [`written in ${short(file)}`];
    this.#failures.push({ title, error, notes });
  }

  #titleOf(file: string, nesting: number): string {
    return [short(file), ...this.#names.slice(0, nesting + 1)].join(" > ");
  }

  #keep(file: string, message: string): void {
    const lines = this.#stderr.get(file) ?? [];
    lines.push(...message.split("\n").filter((line) => line !== ""));
    this.#stderr.set(file, lines.slice(-STDERR_LINES_MAX));
  }
}

/** Message, place, expected, actual and cause of what was thrown, as far as there are any. */
function describe({ error, notes }: Failure): readonly string[] {
  const lines: string[] = [];
  const add = (label: string, value: unknown): void => {
    const text = typeof value === "string" ? value : inspect(value, { depth: 4 });
    const all = text.split("\n");
    if (all.length > ERROR_LINES_MAX) all.splice(ERROR_LINES_MAX, Infinity, "...");
    lines.push(...`${label}${all.join("\n")}`.split("\n").map((line) => `  ${line}`));
  };
  if (error instanceof Error) {
    add("", error.message || error.name);
    add("", stackOf(error));
    if ("expected" in error) add("expected: ", error.expected);
    if ("actual" in error) add("actual:   ", error.actual);
    if (error.cause !== undefined) add("cause: ", error.cause);
  } else add("", error);
  for (const note of notes) add("", note);
  return lines;
}

/** The places of a stack, without the message before them. */
function stackOf({ stack = "", message }: Error): string {
  // A message may quote a stack of its own.
  const places = stack.slice(stack.indexOf(message) + message.length);
  const lines = places.split("\n").filter((line) => /^\s+at /.test(line));
  return lines.map((line) => line.trim()).join("\n");
}

/** Older versions of Node do not say which test file ran a test of a shared file: its stack does. */
function testFileIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /(\/[^\s():]*\.test\.[cm]?[jt]s):\d+/.exec(stackOf(error))?.[1];
}

function short(file: string): string {
  return relative(process.cwd(), resolve(file));
}

/** What the runner calls: it takes all events, and gives one text when they are over. */
export async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const heard = new Report();
  for await (const event of events) heard.hear(event);
  yield heard.text();
}
