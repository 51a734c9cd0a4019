import { createRequire } from "node:module";

/**
 * Answers what everybody types first at a program that he does not know, `--help`, `-h` and `--version`, and ends it
 * then with status 0. To be called before anything else is looked at; does nothing where none of them is asked for.
 *
 * @param usage what the program is for, and its options; without a line feed at its end
 */
export function answerHelp(usage: string, argv: readonly string[] = process.argv.slice(2)): void {
  const answer = helpFor(usage, argv);
  if (answer === null) return;
  console.log(answer);
  process.exit(0);
}

/** Pure but for the version, which is the package's. @returns null where nothing of that is asked for */
export function helpFor(usage: string, argv: readonly string[]): string | null {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  if (words.includes("--help") || words.includes("-h")) return usage;
  return words.includes("--version") ? packageVersion() : null;
}

function packageVersion(): string {
  const { version } = createRequire(import.meta.url)("../package.json") as { version: string };
  return version;
}
