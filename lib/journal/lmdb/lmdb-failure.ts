import type { BrokerlessError } from "../../errors.ts";
import { diskFailure } from "../disk/disk-errors.ts";

/** Numbers that LMDB gives for a lack of space: of the system, and its own for a map that cannot grow. */
const CODES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [27, "EFBIG"],
  [28, "ENOSPC"],
  [122, "EDQUOT"],
  [-30792, "ENOSPC"],
]);

/**
 * What an error of lmdb means for a journal. A commit that failed says so, and gives the reason as a promise that
 * rejects: nobody but who asks for it handles that.
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
