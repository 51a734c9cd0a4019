import fs from "node:fs";
import { BrokerlessError } from "../../errors.ts";
import { assertNode } from "../../runtime.ts";
import { readHolder, writeHolder } from "./lock-holder.ts";
import { checkHardLinks, checkOneName } from "./one-name.ts";

/** Exclusive permission to write to a directory. */
export interface DirectoryLock {
  /**
   * Checks that the directory's path still leads to the locked directory: cheap enough for every
   * sync.
   *
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where it was removed, moved or replaced
   */
  assertHeld(): void;
  release(): Promise<void>;
}

/** Name of the lock file; it exists while a writer runs, and after a crash. */
export const LOCK_NAME = "lock";
/** The locked range lies after the holder's name (byte offset). */
const LOCK_OFFSET = 4096;
/** Neither waits for the other end of a pipe, nor follows a link out of the directory. */
const FLAGS =
  fs.constants.O_RDWR |
  fs.constants.O_CREAT |
  (fs.constants.O_NOFOLLOW ?? 0) |
  (fs.constants.O_NONBLOCK ?? 0);
/** Errors of file systems without locks. */
const NO_LOCKS = new Set(["ENOLCK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL"]);

/** The part of the package that is used; it has no types of its own. */
interface Locks {
  /** @returns whether the lock was granted; on macOS always on the whole file */
  tryLock(fd: number, offset: number, length: number): boolean;
  unlock(fd: number, offset: number, length: number): void;
}

/**
 * Not a literal in the import: bundlers would include the package's code without its native part,
 * which it loads from its own folder.
 */
const LOCKS_PACKAGE: string = "fs-native-extensions";

/**
 * Locks a directory for one opener, with a kernel lock on a file in it that belongs to the open
 * file description. So it is exclusive between processes of all namespaces, threads, and two opens
 * of one thread. It ends with the process, however that ends, and only accounts with write
 * permission for the directory can take it.
 *
 * The files in the directory must have no other name, because an opener of a hard-linked copy would
 * hold the lock of another directory.
 *
 * @throws BrokerlessError BROKERLESS_LOCKED naming the holder, BROKERLESS_JOURNAL_FAILED where the
 *   file system or the platform has no locks, or a file of the journal has more than one name,
 *   BROKERLESS_UNSUPPORTED where the runtime is not Node
 * @see docs/decisions/0026-one-writer.md and 0028-the-lock.md
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const locks = await loadLocks();
  closeToOthers(directory);
  const path = `${directory}/${LOCK_NAME}`;
  for (;;) {
    const lock = tryToLock(locks, { directory, path });
    if (lock !== null) return withOneName(lock, directory);
    // The previous holder has just removed the file: the lock is on a file that no other opener
    // will find.
  }
}

/**
 * Checked under the lock: whoever links to the files later gets files with two names, and his open
 * is refused.
 */
async function withOneName(lock: DirectoryLock, directory: string): Promise<DirectoryLock> {
  try {
    checkHardLinks(directory);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Loaded only when a journal is opened: sockets without one need no native code but ZeroMQ's. */
async function loadLocks(): Promise<Locks> {
  assertNode("a journal on a disk");
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ LOCKS_PACKAGE)).default;
  } catch (error) {
    const message = `the package ${LOCKS_PACKAGE}, which locks a journal's directory, cannot be loaded on ${process.platform}-${process.arch}: ${(error as Error).message}`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message, { cause: error });
  }
}

interface Place {
  readonly directory: string;
  readonly path: string;
}

function tryToLock(locks: Locks, place: Place): DirectoryLock | null {
  const fd = fs.openSync(place.path, FLAGS, 0o600);
  try {
    const { dev, ino } = checkFile(place, fs.fstatSync(fd));
    if (!grant(locks, place, fd)) throw locked(place);
    if (!leadsTo(place.path, { dev, ino })) {
      fs.closeSync(fd);
      return null;
    }
    writeHolder(fd);
    return new HeldLock({ locks, place, fd, dev, ino });
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** A granted lock, and its file. */
interface Held {
  readonly locks: Locks;
  readonly place: Place;
  readonly fd: number;
  readonly dev: number;
  readonly ino: number;
}

class HeldLock implements DirectoryLock {
  readonly #held: Held;
  #isReleased = false;

  constructor(held: Held) {
    this.#held = held;
  }

  assertHeld(): void {
    const { place } = this.#held;
    if (leadsTo(place.path, this.#held)) return;
    const message = `${place.directory} was removed, moved or replaced, or the file "${LOCK_NAME}" in it, while it was being written; nothing more is stored. Put it back, or open the journal anew`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
  }

  async release(): Promise<void> {
    const { locks, place, fd } = this.#held;
    if (this.#isReleased) return;
    this.#isReleased = true;
    try {
      // While it is still locked, so that no other opener's file is removed.
      if (leadsTo(place.path, this.#held)) fs.unlinkSync(place.path);
    } catch {
      // A remaining file has no meaning without its lock.
    }
    try {
      // Closing alone would leave the lock to a child process that is just being started, and has
      // the file open until then.
      locks.unlock(fd, ...range());
    } finally {
      fs.closeSync(fd);
    }
  }
}

function grant(locks: Locks, { directory }: Place, fd: number): boolean {
  try {
    return locks.tryLock(fd, ...range());
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (!NO_LOCKS.has(code)) throw error;
    const text = `${directory} lies on a file system without locks (${message}); a journal needs them to have one writer, take a directory on a local disk`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", text, { cause: error });
  }
}

/**
 * On Windows nobody can read a locked range, so the holder's name is outside of it; macOS locks
 * whole files.
 */
function range(): [number, number] {
  return process.platform === "darwin" ? [0, 0] : [LOCK_OFFSET, 1];
}

function checkFile({ path }: Place, stats: fs.Stats): fs.Stats {
  if (!stats.isFile()) {
    const message = `${path} must be a file of the journal's own, but is not; remove it`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
  }
  checkOneName(path, stats);
  return stats;
}

function leadsTo(path: string, file: { readonly dev: number; readonly ino: number }): boolean {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.ino === file.ino && stats.dev === file.dev;
}

function locked({ directory, path }: Place): BrokerlessError {
  const message = `${directory} is being written by ${readHolder(path)}; a journal has one writer, close that one or take another directory`;
  return new BrokerlessError("BROKERLESS_LOCKED", message);
}

/**
 * In a directory that everybody can write to, anybody can replace files. Where the directory
 * belongs to another account, the mode is left to that account.
 */
function closeToOthers(directory: string): void {
  const { mode, uid } = fs.statSync(directory);
  const isSticky = (mode & 0o1000) !== 0;
  if ((mode & 0o002) === 0 || isSticky || uid !== process.getuid?.()) return;
  fs.chmodSync(directory, 0o700);
}
