import fs from "node:fs";
import { hostname } from "node:os";

/** Limit on the description of a holder (bytes). */
const HOLDER_BYTES_MAX = 512;

/**
 * Writes a description of the holder into the lock file. It is informative only: a failure, on a
 * full disk for example, is ignored.
 */
export function writeHolder(fd: number): void {
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // The holder remains unnamed.
  }
}

/**
 * @returns a description of the lock's holder; the content of the file is shown only where it has
 *   the expected form
 */
export function readHolder(path: string): string {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    try {
      const bytes = Buffer.alloc(HOLDER_BYTES_MAX);
      const text = bytes.toString("utf8", 0, fs.readSync(fd, bytes, 0, bytes.length, 0));
      const { pid, host, since } = JSON.parse(text) as Record<string, unknown>;
      const isHolder =
        Number.isSafeInteger(pid) &&
        /^[A-Za-z0-9._-]{1,255}$/.test(String(host)) &&
        /^[0-9TZ:.-]{20,30}$/.test(String(since));
      if (isHolder) return `process ${pid} since ${since} on host ${host}`;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // The holder has not written its description yet, or the system does not let others read a
    // locked file.
  }
  return "a process that has not identified itself";
}
