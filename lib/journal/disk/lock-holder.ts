import fs from "node:fs";
import { hostname } from "node:os";

/** A holder says who it is in fewer bytes than this (bytes). */
const HOLDER_BYTES_MAX = 512;

/** Writes who holds a lock into its file: a courtesy, and a disk without room for it is no reason to stop. */
export function sayHolder(fd: number): void {
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    fs.ftruncateSync(fd, 0);
    fs.writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // Then the holder has no name.
  }
}

/** @returns who holds a lock, in words; what the file says is shown only where it looks like a holder's */
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
    // It has not said yet who it is, or the system lets nobody read what is locked.
  }
  return "another one, which has not said who it is";
}
