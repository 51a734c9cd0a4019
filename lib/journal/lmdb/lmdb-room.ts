import { statfsSync } from "node:fs";
import { BrokerlessError } from "../../errors.ts";

/** The part of lmdb's `getStats` that is used here; its own types leave it open. */
export interface StoreStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** Disk space that entries leave free for named values about them (bytes). */
const RESERVE_BYTES = 2 ** 20;
/** Part of it that copies that make room leave free for named values (bytes). */
const VALUES_BYTES = 2 ** 19;
/** Pages of the tree that a commit rewrites, in addition to its values (count). */
const TREE_PAGES = 16;

/** Content of a commit: named values alone, with copies that make room, or with other entries. */
export type CommitKind = "values" | "copies" | "entries";

/** Disk space that each kind leaves free (bytes). */
const KEPT_BYTES = { values: 0, copies: VALUES_BYTES, entries: RESERVE_BYTES } as const;

/** Space of the pages in use (bytes). Pure. */
export function bytesInUse(stats: StoreStats): number {
  const { treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize } = stats;
  return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize;
}

/**
 * Refuses a commit for which there is no room, before anything of it is written. lmdb lets its map
 * grow without limit, and a failed write to a full disk corrupts the memory of the process.
 *
 * @throws BrokerlessError BROKERLESS_NO_SPACE
 */
export function checkRoom(
  place: { readonly directory: string; readonly mapBytesMax: number },
  commit: { readonly lengths: readonly number[]; readonly kind: CommitKind },
  stats: StoreStats,
): void {
  const { pageSize } = stats;
  const pages = commit.lengths.reduce((sum, length) => sum + Math.ceil(length / pageSize) + 1, 0);
  const bytes = (pages + TREE_PAGES) * pageSize;
  const used = bytesInUse(stats);
  // Named values are bounded by themselves, and must always be accepted: above all the one that
  // frees entries.
  if (commit.kind === "entries" && used + bytes > place.mapBytesMax) {
    refuse(`${used} of mapBytesMax ${place.mapBytesMax} bytes are used, and ${bytes} are needed`);
  }
  const { bavail, bsize } = statfsSync(place.directory);
  const needed = bytes + KEPT_BYTES[commit.kind];
  if (bavail * bsize < needed) {
    refuse(`the disk has ${bavail * bsize} bytes left, and ${needed} are needed`);
  }
}

function refuse(why: string): never {
  const text = `write the LMDB journal: ${why}; pending entries are not stored, free space and append again`;
  throw new BrokerlessError("BROKERLESS_NO_SPACE", text);
}
