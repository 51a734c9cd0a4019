import fs from "node:fs";
import { devNull } from "node:os";
import { isOutOfDescriptors } from "./disk-errors.ts";

/**
 * A descriptor that is held for the time when there is none: a new segment has its name by the time
 * that its directory is synced, and could neither be used nor taken back then.
 *
 * One for each thread, from the first use on.
 */
export class SpareDescriptor {
  #fd: number | null = null;

  /** Opens a directory to sync it, where need be in the spare's place. @returns its descriptor */
  async open(path: string): Promise<number> {
    this.#take();
    try {
      return await openDirectory(path);
    } catch (error) {
      if (this.#fd === null || !isOutOfDescriptors(error)) throw error;
      this.#giveBack();
      // At once, so that nothing else of this thread comes in between.
      return fs.openSync(path, "r");
    }
  }

  #take(): void {
    try {
      this.#fd ??= fs.openSync(devNull, "r");
    } catch {
      // Next time.
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
