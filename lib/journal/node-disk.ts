import fs from "node:fs";
import type { Disk, DiskFile } from "./disk.ts";

const READ_AT_ONCE_MAX = 2 ** 30;

/** The disk as node:fs has it: each call is one system call in the thread pool. */
export const nodeDisk: Disk = {
  async makeDirectory(path) {
    try {
      await fs.promises.mkdir(path, { mode: 0o700 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
  },
  list: (path) => fs.promises.readdir(path),
  open(path, mode) {
    const flags = { read: "r", write: "r+", create: "w+" }[mode];
    return new Promise((resolve, reject) => {
      fs.open(path, flags, 0o600, (error, fd) => {
        if (error === null) resolve(new NodeFile(fd));
        else reject(error);
      });
    });
  },
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
  async syncDirectory(path) {
    const handle = await fs.promises.open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Callbacks rather than file handles: a commit is two of these calls, and its latency is theirs. */
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
    // Once: the number may belong to another file by the second time.
    this.#closed ??= settle((done) => fs.close(this.#fd, done));
    return this.#closed;
  }
}

function settle(call: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}
