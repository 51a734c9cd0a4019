import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * The resident set after a garbage collection: the remaining memory is referenced, not merely unswept.
 *
 * @returns MiB
 */
export async function settledRssMiB(): Promise<number> {
  // Buffers are freed by finalizers, which run in a later turn than the collection that finds them.
  for (let pass = 0; pass < 3; pass++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

/**
 * File descriptors of this process; Linux only.
 *
 * @returns count, including the one that the check itself needs
 */
export function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}
