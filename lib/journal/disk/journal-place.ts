import { resolve } from "node:path";
import { expected } from "../../options.ts";

/**
 * The directory of a journal, as of now: the working directory may be another one later.
 *
 * @param what whose it is, for the error text
 * @returns an absolute path
 * @throws TypeError for what is no path
 */
export function journalPlace(what: string, directory: unknown): string {
  const isPath = typeof directory === "string" && directory !== "" && !directory.includes("\0");
  if (isPath) return resolve(directory);
  throw expected(
    `${what}: directory`,
    "a path, of at least one character and without NUL",
    directory,
  );
}
