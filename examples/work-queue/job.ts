import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

/** A job: the file to hash. */
export interface FileJob {
  readonly path: string;
}

/** The result of a job. */
export interface FileHash extends FileJob {
  readonly sha256: string;
  /** Id of the process that did it. */
  readonly pid: number;
}

/** @returns the SHA-256 of a file, in hex @throws errors of reading it, or the signal's reason */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, signal === undefined ? {} : { signal });
  return hash.digest("hex");
}
