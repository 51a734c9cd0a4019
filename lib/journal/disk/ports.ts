import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import type { Disk } from "./disk.ts";
import { nodeDisk } from "./node-disk.ts";

/** What a file journal needs of the world. Tests put a simulated one here; programs never do. */
export interface JournalPorts {
  readonly disk: Disk;
  /** Makes this process the only writer of a directory. */
  lock(directory: string): Promise<DirectoryLock>;
  /** Now (ms since 1970). */
  now(): number;
  /** Random bytes as hex digits. */
  randomHex(bytes: number): string;
  /** What changes with each start of the machine, 32 hex digits: the page cache is lost with it. */
  readonly bootId: string;
  /** How much must wait for it to be written ahead of a sync; a test makes it little (bytes). */
  readonly aheadBytes: number;
  /**
   * Small commits write this many zeros behind them when they need more space: the syncs that follow
   * find their blocks allocated, and have no metadata to write; a test makes it little (bytes).
   */
  readonly preallocateBytes: number;
  /** What is kept free for named values when the disk is full; a test makes it little (bytes). */
  readonly reserveBytes: number;
  /** The same for copies of entries, with which others can be freed; a test makes it little (bytes). */
  readonly copiesReserveBytes: number;
}

/** The world as it is. */
export const nodePorts: JournalPorts = {
  disk: nodeDisk,
  lock: lockDirectory,
  // Looked up at each call, as everywhere else: tests of programs put a clock of theirs there.
  now: () => Date.now(),
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  bootId: readBootId(),
  aheadBytes: 2 ** 20,
  preallocateBytes: 2 ** 18,
  reserveBytes: 2 ** 16,
  copiesReserveBytes: 7 * 2 ** 16,
};

/** Where the system does not tell, each process counts as a boot: the cautious answer. */
function readBootId(): string {
  try {
    const text = readFileSync("/proc/sys/kernel/random/boot_id", "latin1");
    const digits = text.replaceAll("-", "").trim();
    if (/^[0-9a-f]{32}$/.test(digits)) return digits;
  } catch {
    // Not Linux, or no /proc.
  }
  return randomBytes(16).toString("hex");
}
