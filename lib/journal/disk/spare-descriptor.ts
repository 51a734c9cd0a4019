import fs from "node:fs";
import { devNull } from "node:os";
import { isOutOfDescriptors } from "./disk-errors.ts";

/**
 * A file descriptor held in reserve for when none is left: by the time that the directory of a new
 * segment is synced, the segment has its name, and without the sync it could neither be used nor
 * removed.
 *
 * One for each thread, opened at first use.
 */
export class SpareDescriptor {
  #fd: number | null = null;

  /**
   * Opens a directory to sync it, if necessary in place of the spare descriptor. @returns its
   * descriptor
   */
  async open(path: string): Promise<number> {
    this.#take();
    try {
      return await openDirectory(path);
    } catch (error) {
      if (this.#fd === null || !isOutOfDescriptors(error)) throw error;
      this.#giveBack();
      // Synchronous, so that no other code of this thread takes the descriptor in between.
      return fs.openSync(path, "r");
    }
  }

  #take(): void {
    try {
      this.#fd ??= fs.openSync(devNull, "r");
    } catch {
      // Retried at the next call.
    }
  }

  #giveBack(): void {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) fs.closeSync(fd);
  }
}

function openDirectory(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, "r", (error, fd) => (error === null ? resolve(fd) : reject(error)));
  });
}
