import { resolve } from "node:path";
import { expected } from "../../options.ts";

/**
 * The absolute path of a journal's directory, resolved now, because the working directory may
 * change later.
 *
 * @param what owner of the path, for the error text
 * @throws TypeError for an invalid path
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
