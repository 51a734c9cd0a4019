import { statfsSync } from "node:fs";
import { BrokerlessError } from "../../errors.ts";

/** What `getStats` of lmdb gives, as far as it is used here; its own types leave it open. */
export interface StoreStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** Disk space that entries leave for what is said of them (bytes). */
const RESERVE_BYTES = 2 ** 20;
/** What of it copies that make room leave for named values (bytes). */
const VALUES_BYTES = 2 ** 19;
/** Pages of the tree that a commit writes anew, beside its values (count). */
const TREE_PAGES = 16;

/** What is committed: named values alone, with copies that make room, or with other entries. */
export type CommitKind = "values" | "copies" | "entries";

/** What each leaves of the disk (bytes). */
const KEPT_BYTES = { values: 0, copies: VALUES_BYTES, entries: RESERVE_BYTES } as const;

/** Bytes that the pages in use take. Pure. */
export function bytesInUse(stats: StoreStats): number {
  const { treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize } = stats;
  return (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize;
}

/**
 * Refuses a commit for which there is no room, before anything of it is written: lmdb lets its map grow beyond
 * every bound, and when a write to a full disk fails, it spoils the memory of the process.
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
  // What is said of entries is bounded by itself, and has to be sayable: that they may be freed, above all.
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
  const text = `write the LMDB journal: ${why}; what was waiting is not stored, free space and append again`;
  throw new BrokerlessError("BROKERLESS_NO_SPACE", text);
}
