import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "../run.ts";

/** A directory of the run's own, gone when the process ends; `TMPDIR` says on which disk. */
export function benchPlace(): string {
  const place = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
  process.on("exit", () => rmSync(place, { recursive: true, force: true }));
  return place;
}

/** The process at the other end of a scenario that needs one only: it says that it is there. */
export async function nothing(run: Run): Promise<void> {
  run.announce("nothing");
}

/** As `run.bursts`, once the other process is there: what it is told before that is lost. */
export async function burstsAlone(run: Run, send: Parameters<Run["bursts"]>[0]): Promise<void> {
  await run.address();
  await run.bursts(send);
}
