import { BrokerlessError, type Damage } from "../../errors.ts";

const NO_SPACE = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const NO_DESCRIPTOR = new Set(["EMFILE", "ENFILE"]);
const NOT_ALLOWED = new Set(["EACCES", "EPERM", "EROFS"]);

/** Whether an error of the disk means that it is full, and nothing worse. */
export function isFullDisk(error: unknown): boolean {
  return NO_SPACE.has((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Whether a file could not be opened because too many files are open, in this process or the
 * system.
 */
export function isOutOfDescriptors(error: unknown): boolean {
  return NO_DESCRIPTOR.has((error as NodeJS.ErrnoException).code ?? "");
}

/** Translates an error of the disk for a journal, with advice. */
export function diskFailure(error: unknown, what: string): BrokerlessError {
  if (error instanceof BrokerlessError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (NO_SPACE.has(code)) {
    const text = `${what}: the disk is full (${code}); pending entries are not stored, free space and append again`;
    return new BrokerlessError("BROKERLESS_NO_SPACE", text, { cause: error });
  }
  if (NO_DESCRIPTOR.has(code)) {
    const text = `${what}: no file descriptor is left (${code}); pending entries are not stored, close some or raise the limit (ulimit -n) and try again`;
    return new BrokerlessError("BROKERLESS_NO_SPACE", text, { cause: error });
  }
  if (NOT_ALLOWED.has(code)) {
    const text = `${what}: not allowed (${code}); the directory must belong to this process's user and be writable`;
    return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", text, { cause: error });
  }
  const text = `${what}: ${message}; the journal has stopped, check the disk and open it again`;
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", text, { cause: error });
}

/**
 * Like {@link diskFailure}, where a directory cannot be listed: a missing directory is no failure
 * of the disk.
 */
export function directoryFailure(error: unknown, what: string): BrokerlessError {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOENT" && code !== "ENOTDIR") return diskFailure(error, what);
  const text = `${what}: ${code === "ENOENT" ? "there is no such directory" : "it is not a directory"}`;
  return new BrokerlessError("BROKERLESS_JOURNAL_FAILED", text, { cause: error });
}

/** The error for damaged bytes. */
export function corruptError(damage: Damage, reason: string): BrokerlessError {
  const { file, offset, seqFirst, seqLast } = damage;
  const lost =
    seqLast === null
      ? `seq ${seqFirst} and what follows it in the file`
      : `seq ${seqFirst} to ${seqLast}`;
  const message = `${file} is damaged at byte ${offset} (${reason}); lost: ${lost}. Nothing was changed; restore the file, or run "brokerless journal repair" to keep what is good`;
  return new BrokerlessError("BROKERLESS_CORRUPT", message, { damage });
}

/**
 * Like {@link diskFailure}, for a step that cannot be undone: there even a full disk ends the
 * journal.
 */
export function poisoned(error: unknown, what: string): BrokerlessError {
  const failure = diskFailure(error, what);
  if (failure.code !== "BROKERLESS_NO_SPACE") return failure;
  const { message } = error as Error;
  return diskFailure(Object.assign(new Error(message, { cause: error }), { code: "EIO" }), what);
}

/**
 * Like {@link poisoned}, except for a lack of descriptors, which is temporary: it prevented a file
 * from being opened, and changed nothing.
 */
export function lackOrPoisoned(error: unknown, what: string): BrokerlessError {
  return isOutOfDescriptors(error) ? diskFailure(error, what) : poisoned(error, what);
}
