/** The names of the files in a journal's directory. */

/** Name of the file that a clean close leaves. */
export const CHECKPOINT_NAME = "checkpoint";
/** What is written before it gets its name; one that a crash left is removed. */
export const TEMPORARY_SUFFIX = ".new";
/** Name of the file that says how far the log is durable. */
export const MARK_NAME = "mark";
/** Name of the file that holds space for later. */
export const RESERVE_NAME = "reserve";

/** The name of a segment's file, so that names sort as numbers do. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.segment`;
}

/** @returns the number in a segment's file name, or `null` for another file */
export function segmentNumber(name: string): number | null {
  return /^\d{10}\.segment$/.test(name) ? Number(name.slice(0, 10)) : null;
}
