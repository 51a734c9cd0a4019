import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NONE_FAILED, refusesSkips } from "./report.ts";

/** For a test and for a whole file, far longer than the longest takes on the busiest machine: only a hang reaches it, and is named. */
const HANG_MS = 900_000;

/** Files at a time (count): most of a test is to wait for sockets, disks and processes, so that two would leave a core idle. */
const FILES_AT_ONCE = 4;

/**
 * Runs test files with Node's own runner, some at a time. Its output comes first; then, as the last thing written, the
 * slowest files and what failed.
 *
 * @param files paths, at least one
 * @returns the status for the process to exit with: 0 where all passed, and none was skipped that may not be
 * @throws TypeError where the environment says something else of skipped tests than it can, before anything runs
 */
export function runFiles(files: readonly string[]): number {
  refusesSkips();
  const folder = mkdtempSync(join(tmpdir(), "brokerless-report-"));
  try {
    const report = join(folder, "report");
    const reporters = [
      // Named, because a second reporter takes the place of the one that Node would choose.
      [process.stdout.isTTY ? "spec" : "tap", "stdout"],
      [new URL("reporter.mjs", import.meta.url).href, report],
    ];
    const args = [
      "--import",
      "tsx",
      "--test",
      `--test-concurrency=${FILES_AT_ONCE}`,
      `--test-timeout=${HANG_MS}`,
      ...reporters.flatMap(([name, destination]) => [
        `--test-reporter=${name}`,
        `--test-reporter-destination=${destination}`,
      ]),
      ...files,
    ];
    const { status, signal } = spawnSync(process.execPath, args, { stdio: "inherit" });
    const told = signal === null ? readFileSync(report, "utf8") : `killed: ${signal}\n`;
    process.stdout.write(told);
    // For the runner a skipped test has passed, even where the report names it among the failures.
    const isPassed = status === 0 && told.endsWith(NONE_FAILED);
    return isPassed ? 0 : status || 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
