import { spawnSync } from "node:child_process";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const NEEDED = "import zmq, msgpack; assert zmq.zmq_version_info() >= (4, 2)";

/** A Python that has pyzmq and msgpack, or why there is none. */
export type Python = { readonly path: string } | { readonly missing: string };

/**
 * Looks where Debian's packages python3-zmq and python3-msgpack put their modules first: another Python
 * that comes earlier in PATH would not have them.
 */
function findPython(): Python {
  const reasons: string[] = [];
  for (const path of ["/usr/bin/python3", "python3"]) {
    const { status, stderr, error } = spawnSync(path, ["-c", NEEDED], { encoding: "utf8" });
    if (status === 0) return { path };
    reasons.push(`${path}: ${error?.message ?? stderr.trim().split("\n").at(-1)}`);
  }
  return { missing: reasons.join("; ") };
}

/** Probed once in each test file. */
export const python: Python = findPython();

/**
 * Options of a test that needs Python: skipped with the reason where it is absent, but on a continuous
 * integration machine, where it must be there, the test runs and fails.
 */
export function needsPython(): { skip: string | false; timeout: number } {
  const isRequired = process.env.CI === "true";
  const skip = "missing" in python && !isRequired ? `no Python peer: ${python.missing}` : false;
  return { skip, timeout: WATCHDOG_MS };
}
