/** The names of the files in a journal's directory. */

/** Name of the file that a clean close leaves. */
export const CHECKPOINT_NAME = "checkpoint";
/** Suffix of a file until it is complete; a crash may leave such a file, which is then removed. */
export const TEMPORARY_SUFFIX = ".new";
/** Name of the file that records how far the log is durable. */
export const MARK_NAME = "mark";
/** Name of the file that reserves disk space. */
export const RESERVE_NAME = "reserve";

/** The name of a segment's file; names sort like numbers. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.segment`;
}

/** @returns the number in a segment's file name, or `null` for another file */
export function segmentNumber(name: string): number | null {
  return /^\d{10}\.segment$/.test(name) ? Number(name.slice(0, 10)) : null;
}
