import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Run } from "../run.ts";

/** A directory of this run, removed when the process ends; `TMPDIR` determines its disk. */
export function benchPlace(): string {
  const place = mkdtempSync(join(tmpdir(), "brokerless-bench-"));
  process.on("exit", () => rmSync(place, { recursive: true, force: true }));
  return place;
}

/** The other process, in a scenario that needs only one: it only reports that it is running. */
export async function nothing(run: Run): Promise<void> {
  run.announce("nothing");
}

/** As `run.bursts`, once the other process is running: messages to it before that would be lost. */
export async function burstsAlone(run: Run, send: Parameters<Run["bursts"]>[0]): Promise<void> {
  await run.address();
  await run.bursts(send);
}
