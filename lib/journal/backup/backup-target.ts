import fs from "node:fs";
import { dirname } from "node:path";
import { BrokerlessError } from "../../errors.ts";
import { directoryFailure } from "../disk/disk-errors.ts";
import { segmentNumber } from "../disk/file-names.ts";
import { nodeDisk } from "../disk/node-disk.ts";

/** Suffix of the directory's name until the backup is complete. */
const PARTIAL_SUFFIX = ".partial";

/**
 * Makes the directory that a backup is written into before it gets its final name.
 *
 * @returns its path
 * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where either directory exists, or where the
 *   target's parent is missing or is a journal's directory: probably a mistyped name
 */
export async function makePartial(target: string): Promise<string> {
  const partial = `${target}${PARTIAL_SUFFIX}`;
  const parent = dirname(target);
  const names = await nodeDisk.list(parent).catch((error: unknown) => {
    throw directoryFailure(error, `make a backup in ${parent}`);
  });
  if (names.some((name) => segmentNumber(name) !== null)) {
    throw refused(`${parent} holds a journal; back up into a directory beside it, not in it`);
  }
  if (fs.lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw isThere(target);
  if (!(await nodeDisk.makeDirectory(partial))) throw isThere(partial);
  return partial;
}

function isThere(path: string): BrokerlessError {
  return refused(
    `${path} is there already; a backup goes into a new directory: name another, or remove what another backup has left`,
  );
}

function refused(message: string): BrokerlessError {
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
}
