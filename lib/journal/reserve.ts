import { TEMPORARY_SUFFIX } from "./checkpoint.ts";
import { type Disk, writeAll } from "./disk.ts";

/** Name of the file that holds space for later. */
export const RESERVE_NAME = "reserve";

/**
 * Space that is taken from the disk while there is some, and given back when it is full: so that
 * acknowledgements and cursors can still be stored, which is what lets a program free space.
 *
 * Failing to take it is no error: it is tried again after the next commit.
 */
export class Reserve {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #bytes: number;
  #isHeld = false;
  #taking: Promise<void> | null = null;

  /** @param bytes 0 for none */
  constructor(disk: Disk, directory: string, bytes: number) {
    this.#disk = disk;
    this.#path = `${directory}/${RESERVE_NAME}`;
    this.#bytes = bytes;
  }

  get isHeld(): boolean {
    return this.#isHeld;
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
      this.#isHeld = true;
    } catch {
      await this.#disk.unlink(temporary).catch(() => {});
    }
  }
}
