import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import type { Disk } from "./disk.ts";
import { nodeDisk } from "./node-disk.ts";

/**
 * A file journal's access to the outside world. Tests replace it by a simulated one; programs never
 * do.
 */
export interface JournalPorts {
  readonly disk: Disk;
  /** Makes this process the only writer of a directory. */
  lock(directory: string): Promise<DirectoryLock>;
  /** Now (ms since 1970). */
  now(): number;
  /** Random bytes as hex digits. */
  randomHex(bytes: number): string;
  /**
   * Identifier of the current boot of the machine, 32 hex digits: the page cache is lost with it.
   */
  readonly bootId: string;
  /**
   * Pending bytes from which on the next group is written while the previous one is being synced;
   * lower in tests.
   */
  readonly aheadBytes: number;
  /**
   * Zeros that small commits write after themselves when they need more space: later syncs find
   * their blocks allocated, and have no metadata to write; lower in tests (bytes).
   */
  readonly preallocateBytes: number;
  /** Space reserved for named values when the disk is full; lower in tests (bytes). */
  readonly reserveBytes: number;
  /**
   * Space reserved for copies of entries, after which others can be freed; lower in tests (bytes).
   */
  readonly copiesReserveBytes: number;
}

/** The real disk, clock, randomness and lock. */
export const nodePorts: JournalPorts = {
  disk: nodeDisk,
  lock: lockDirectory,
  // Accessed at each call, as everywhere else, because tests of programs replace the clock.
  now: () => Date.now(),
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  bootId: readBootId(),
  aheadBytes: 2 ** 20,
  preallocateBytes: 2 ** 18,
  reserveBytes: 2 ** 16,
  copiesReserveBytes: 7 * 2 ** 16,
};

/** Where the system provides none, each process counts as a boot: the cautious choice. */
function readBootId(): string {
  try {
    const text = readFileSync("/proc/sys/kernel/random/boot_id", "latin1");
    const digits = text.replaceAll("-", "").trim();
    if (/^[0-9a-f]{32}$/.test(digits)) return digits;
  } catch {
    // Not Linux, or /proc is not mounted.
  }
  return randomBytes(16).toString("hex");
}
