import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * The resident set after a garbage collection: what stays is held by somebody, not merely unswept.
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
 * File descriptors that this process holds; Linux only.
 *
 * @returns count, with the one that the look itself needs
 */
export function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}
