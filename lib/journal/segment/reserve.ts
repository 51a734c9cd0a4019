import { type Disk, writeAll } from "../disk/disk.ts";
import { isNoSpace } from "../disk/disk-errors.ts";
import { TEMPORARY_SUFFIX } from "../disk/file-names.ts";

/**
 * Space that is taken from the disk while there is some, and given back when it is full: so that
 * acknowledgements and cursors can still be stored, which is what lets a program free space. Another one is for copies of
 * the few entries that hold others back.
 *
 * Failing to take it is no error: it is tried again with the next entries. These wait for it where the disk is too full
 * for it: what it has given back would be theirs otherwise, and nothing be left for values.
 */
export class Reserve {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bytes: number;
  #isHeld = false;
  #lack: unknown = null;
  #taking: Promise<void> | null = null;

  /** @param bytes 0 for none */
  constructor(disk: Disk, path: string, bytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#bytes = bytes;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Why entries must not be written, an error of the disk: what is free is for named values. `null` while they may. */
  get lack(): unknown {
    return this.#lack;
  }

  /** Takes the space anew, or else what an earlier run has kept: there may be no room for both. */
  async open(): Promise<void> {
    await this.take();
    // It may be short, and is all there is.
    if (!this.#isHeld && (await this.#isThere())) this.#hold();
  }

  /** Takes the space, if it is not held; resolves in any case. */
  take(): Promise<void> {
    if (this.#isHeld || this.#bytes === 0) return Promise.resolve();
    this.#taking ??= this.#take().finally(() => {
      this.#taking = null;
    });
    return this.#taking;
  }

  /** Gives the space back to the disk. @returns whether there was some */
  async release(): Promise<boolean> {
    await this.#taking;
    if (!this.#isHeld) return false;
    this.#isHeld = false;
    this.#lack = Object.assign(new Error("what is left is held back"), { code: "ENOSPC" });
    await this.#disk.unlink(this.#path);
    return true;
  }

  /** Waits for what is going on. */
  async settled(): Promise<void> {
    await this.#taking;
  }

  async #take(): Promise<void> {
    const temporary = this.#path + TEMPORARY_SUFFIX;
    try {
      const file = await this.#disk.open(temporary, "create");
      try {
        await writeAll(file, [Buffer.alloc(this.#bytes)], 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#disk.rename(temporary, this.#path);
      this.#hold();
    } catch (error) {
      if (isNoSpace(error)) this.#lack = error;
      await this.#disk.unlink(temporary).catch(() => {});
    }
  }

  async #isThere(): Promise<boolean> {
    if (this.#bytes === 0) return false;
    try {
      const file = await this.#disk.open(this.#path, "read");
      try {
        return (await file.size()) > 0;
      } finally {
        await file.close();
      }
    } catch {
      return false;
    }
  }

  #hold(): void {
    this.#isHeld = true;
    this.#lack = null;
  }
}
