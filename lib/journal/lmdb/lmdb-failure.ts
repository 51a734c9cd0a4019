import type { BrokerlessError } from "../../errors.ts";
import { diskFailure } from "../disk/disk-errors.ts";

/**
 * LMDB's error numbers for a lack of space: the system's, and its own for a map that cannot grow.
 */
const CODES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [27, "EFBIG"],
  [28, "ENOSPC"],
  [122, "EDQUOT"],
  [-30792, "ENOSPC"],
]);

/**
 * Translates an error of lmdb for a journal. The error of a failed commit holds the reason as a
 * rejected promise, which must be handled here.
 */
export async function lmdbFailure(error: unknown, what: string): Promise<BrokerlessError> {
  const cause = await reasonOf(error);
  const { code, message } = cause as Error & { readonly code?: unknown };
  const name = CODES.get(code);
  if (name === undefined) return diskFailure(cause, what);
  return diskFailure(Object.assign(new Error(message, { cause }), { code: name }), what);
}

async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: unknown };
  if (!(commitError instanceof Promise)) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}
