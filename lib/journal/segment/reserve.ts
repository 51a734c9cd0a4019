import { BrokerlessError } from "../../errors.ts";
import { type Disk, type DiskFile, writeAll } from "../disk/disk.ts";
import { isFullDisk } from "../disk/disk-errors.ts";

/**
 * Purpose of reserved space: named values, or copies of the few entries that keep others from being
 * freed.
 */
export type Share = "values" | "copies";

/** The share of named values is taken first. */
const SHARES: readonly Share[] = ["values", "copies"];

/**
 * Disk space that is allocated while there is some, and given back when the disk is full, so that
 * acknowledgements and cursors can still be stored, which allow a program to free space.
 *
 * A failure to allocate it is no error: it is retried with the next entries. Where the disk is too
 * full for it, entries wait: otherwise they would take the space that the reserve has given back,
 * and nothing would be left for values.
 *
 * Both shares are in one file of zeros, so that either can be cut off. The share of copies is
 * larger than that of values, so the length of the file also shows which shares it holds.
 */
export class Reserve {
  readonly #disk: Disk;
  readonly #path: string;
  /** Wanted length of each share; 0 for none (bytes). */
  readonly #wanted: Readonly<Record<Share, number>>;
  /**
   * Allocated length of each share. It may be less than wanted, and is then all that is available
   * (bytes).
   */
  readonly #held: Record<Share, number> = { values: 0, copies: 0 };
  #lack: unknown = null;
  #taking: Promise<void> | null = null;

  /** @param wanted length of each share; 0 for none (bytes) */
  constructor(disk: Disk, path: string, wanted: Readonly<Record<Share, number>>) {
    this.#disk = disk;
    this.#path = path;
    this.#wanted = wanted;
  }

  /**
   * The disk error for which entries must not be written now, because the free space is for named
   * values; `null` while they may.
   */
  get lack(): unknown {
    return this.#lack;
  }

  /** Takes over the space of an earlier run, and allocates the rest where there is room. */
  async open(): Promise<void> {
    const all = this.#wanted.values + this.#wanted.copies;
    if (all > 0) await this.#tryWith((file) => this.#adopt(file, all));
  }

  /** Allocates the space unless it is held; resolves in any case. */
  take(): Promise<void> {
    if (SHARES.every((share) => !this.#lacks(share))) return Promise.resolve();
    this.#taking ??= this.#tryWith((file) => this.#takeIn(file)).finally(() => {
      this.#taking = null;
    });
    return this.#taking;
  }

  /** Gives one share back to the disk. @returns whether there was some */
  async release(share: Share): Promise<boolean> {
    await this.#taking;
    if (this.#held[share] === 0) return false;
    this.#held[share] = 0;
    this.#lack = Object.assign(new Error("the space left is reserved for named values"), {
      code: "ENOSPC",
    });
    await this.#cut();
    return true;
  }

  /** Waits for the work in progress. */
  async settled(): Promise<void> {
    await this.#taking;
  }

  get #length(): number {
    return this.#held.values + this.#held.copies;
  }

  #lacks(share: Share): boolean {
    return this.#held[share] === 0 && this.#wanted[share] > 0;
  }

  async #tryWith(work: (file: DiskFile) => Promise<void>): Promise<void> {
    let lack: unknown = null;
    try {
      const file = await this.#open();
      try {
        await work(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isFullDisk(error)) lack = error;
    }
    const isHeld = !SHARES.some((share) => this.#lacks(share));
    if (isHeld) this.#lack = null;
    else if (lack !== null) this.#lack = lack;
  }

  /**
   * Rewrites the whole file, because a copied file may have holes instead of zeros, which take no
   * space.
   */
  async #adopt(file: DiskFile, all: number): Promise<void> {
    const size = await file.size();
    const kept = Math.min(size, all);
    if (size > all) await file.truncate(all);
    try {
      await writeAll(file, [Buffer.alloc(all)], 0);
      await file.sync();
      Object.assign(this.#held, this.#wanted);
    } catch (error) {
      this.#holdKept(kept);
      await file.truncate(kept);
      throw error;
    }
  }

  /** @param kept length of the file (bytes) */
  #holdKept(kept: number): void {
    const { values, copies } = this.#wanted;
    this.#held.values = Math.min(kept >= copies ? kept - copies : kept, values);
    this.#held.copies = kept - this.#held.values;
  }

  async #takeIn(file: DiskFile): Promise<void> {
    for (const share of SHARES) {
      if (!this.#lacks(share)) continue;
      const length = this.#length;
      try {
        await writeAll(file, [Buffer.alloc(this.#wanted[share])], length);
        await file.sync();
      } catch (error) {
        await file.truncate(length);
        throw error;
      }
      this.#held[share] = this.#wanted[share];
    }
  }

  /** Anything else under the file's name does not belong to the journal, and is removed. */
  async #open(): Promise<DiskFile> {
    try {
      return await this.#disk.open(this.#path, "write");
    } catch (error) {
      if (error instanceof BrokerlessError) await this.#disk.unlink(this.#path);
      else if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    return await this.#disk.open(this.#path, "create");
  }

  async #cut(): Promise<void> {
    if (this.#length > 0 && (await this.#tryCut())) return;
    await this.#disk.unlink(this.#path);
    Object.assign(this.#held, { values: 0, copies: 0 });
  }

  /**
   * @returns false where it could not be truncated, for lack of a descriptor for example, which a
   *   removal does not need
   */
  async #tryCut(): Promise<boolean> {
    try {
      const file = await this.#disk.open(this.#path, "write");
      try {
        await file.truncate(this.#length);
      } finally {
        await file.close();
      }
      return true;
    } catch {
      return false;
    }
  }
}
