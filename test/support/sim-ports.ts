import type { Disk } from "../../lib/journal/disk/disk.ts";
import type { JournalPorts } from "../../lib/journal/disk/ports.ts";
import { Random } from "./random.ts";

/** A world for a file journal: the disk given, a clock that counts, a boot of its own. */
export function simPorts(disk: Disk, seed = 1, aheadBytes: number = 2 ** 20): JournalPorts {
  const random = new Random(seed);
  let nowMs = 1_700_000_000_000 + seed;
  return {
    disk,
    lock: async () => ({ assertHeld: () => {}, release: async () => {} }),
    now: () => nowMs++,
    randomHex: (bytes) => random.hex(bytes),
    bootId: random.hex(16),
    aheadBytes,
    preallocateBytes: 4096,
    reserveBytes: 512,
    copiesReserveBytes: 0,
  };
}
