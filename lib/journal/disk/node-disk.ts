import fs from "node:fs";
import type { Disk, DiskFile } from "./disk.ts";
import { checkOneName } from "./one-name.ts";
import { SpareDescriptor } from "./spare-descriptor.ts";

const READ_AT_ONCE_MAX = 2 ** 30;
const { O_RDONLY, O_RDWR, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
/** Neither follows a link out of the directory, nor waits for the other end of a pipe. */
const SAFELY = O_NOFOLLOW | O_NONBLOCK;
const FLAGS = {
  read: O_RDONLY | SAFELY,
  write: O_RDWR | SAFELY,
  // Truncated after the check that it belongs to the journal alone.
  create: O_RDWR | O_CREAT | SAFELY,
};

const spare = new SpareDescriptor();

/** The disk through node:fs: each call is one system call in the thread pool. */
export const nodeDisk: Disk = {
  async makeDirectory(path, may) {
    try {
      await fs.promises.mkdir(path, { mode: 0o700 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const link = await fs.promises.lstat(path);
    if (may !== "link" && link.isSymbolicLink()) throw wrongKind(path, "a directory");
    // Throws ENOENT for a dangling link.
    const stats = await fs.promises.stat(path);
    if (!stats.isDirectory()) throw wrongKind(path, "a directory");
    return false;
  },
  list: (path) => fs.promises.readdir(path),
  open(path, mode) {
    return new Promise((resolve, reject) => {
      fs.open(path, FLAGS[mode], 0o600, (error, fd) => {
        if (error !== null) {
          reject(error.code === "ELOOP" ? wrongKind(path, "a file") : error);
          return;
        }
        try {
          checkOpened(fd, path, mode);
          resolve(new NodeFile(fd));
        } catch (failure) {
          fs.close(fd, () => reject(failure));
        }
      });
    });
  },
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
  async syncDirectory(path) {
    const fd = await spare.open(path);
    try {
      await settle((done) => fs.fsync(fd, done));
    } finally {
      await settle((done) => fs.close(fd, done));
    }
  },
};

/**
 * Uses callbacks rather than file handles: a commit is two of these calls, which determine its
 * latency.
 */
class NodeFile implements DiskFile {
  readonly #fd: number;
  #closed: Promise<void> | null = null;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error === null ? resolve(stats.size) : reject(error)));
    });
  }

  read(target: Uint8Array, position: number): Promise<number> {
    const length = Math.min(target.length, READ_AT_ONCE_MAX);
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, target, 0, length, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }

  write(pieces: readonly Uint8Array[], position: number): Promise<number> {
    const [first] = pieces;
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, count: number) =>
        error === null ? resolve(count) : reject(error);
      if (pieces.length === 1 && first !== undefined) {
        fs.write(this.#fd, first, 0, first.length, position, done);
      } else {
        fs.writev(this.#fd, pieces.slice(0, 1024), position, done);
      }
    });
  }

  truncate(bytes: number): Promise<void> {
    return settle((done) => fs.ftruncate(this.#fd, bytes, done));
  }

  sync(): Promise<void> {
    return settle((done) => fs.fdatasync(this.#fd, done));
  }

  close(): Promise<void> {
    // Once, because the number may belong to another file by the second time.
    this.#closed ??= settle((done) => fs.close(this.#fd, done));
    return this.#closed;
  }
}

/** A file opened for reading may have several names; one opened for writing may not. */
function checkOpened(fd: number, path: string, mode: keyof typeof FLAGS): void {
  const stats = fs.fstatSync(fd);
  if (!stats.isFile()) throw wrongKind(path, "a file");
  if (mode === "read") return;
  checkOneName(path, stats);
  if (mode === "create" && stats.size > 0) fs.ftruncateSync(fd, 0);
}

function wrongKind(path: string, wanted: string): Error {
  const message = `${path} must be ${wanted} of the journal's own, and no link to another; remove it, or put the right one there`;
  return Object.assign(new Error(message), { code: "ELOOP" });
}

function settle(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}
