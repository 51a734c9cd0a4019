import fs from "node:fs";
import { BrokerlessError } from "../../errors.ts";
import { CHECKPOINT_NAME, MARK_NAME, RESERVE_NAME, segmentNumber } from "./file-names.ts";

/** The files of an LMDB directory, which LMDB opens itself. */
const LMDB_NAMES = new Set(["data.mdb", "lock.mdb"]);
const FILE_NAMES = new Set([CHECKPOINT_NAME, MARK_NAME, RESERVE_NAME]);

/**
 * Checks that each file of a journal has only one name. A lock is on a directory: an opener of a
 * hard-linked copy would hold another lock and write to the same files.
 *
 * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where a file has more than one name, or where a
 *   file that LMDB would open is a symbolic link
 */
export function checkHardLinks(directory: string): void {
  for (const name of fs.readdirSync(directory)) {
    const isLmdb = LMDB_NAMES.has(name);
    if (!isLmdb && !FILE_NAMES.has(name) && segmentNumber(name) === null) continue;
    const path = `${directory}/${name}`;
    const stats = fs.lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (isLmdb && !stats.isFile()) {
      const message = `${path} must be a file of the journal's own, and no link to another; copy the file itself into the directory`;
      throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
    }
    checkOneName(path, stats);
  }
}

/** @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where it is a directory, or has more than one name */
export function checkOneName(path: string, stats: fs.Stats): void {
  if (stats.isDirectory()) {
    const message = `${path} is a directory, and must be a file of the journal; remove it, or put the file back`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
  }
  const { nlink } = stats;
  // A file without any name was removed by its owner, and some file systems do not count names.
  if (nlink <= 1) return;
  const message = `${path} has ${nlink} names (hard links), and a file of a journal has one: what is written to it would be written to another journal, too. Nothing was changed; copy the files themselves into a new directory (cp -r, without -l) and open that, or remove the other names`;
  throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
}
