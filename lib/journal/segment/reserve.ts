import { BrokerlessError } from "../../errors.ts";
import { type Disk, type DiskFile, writeAll } from "../disk/disk.ts";
import { isNoSpace } from "../disk/disk-errors.ts";

/** Whom space is held for: named values, or copies of the few entries that hold others back. */
export type Share = "values" | "copies";

/** What values need is taken first. */
const SHARES: readonly Share[] = ["values", "copies"];

/**
 * Space that is taken from the disk while there is some, and given back when it is full: so that
 * acknowledgements and cursors can still be stored, which is what lets a program free space.
 *
 * Failing to take it is no error: it is tried again with the next entries. These wait for it where the disk is too full
 * for it: what it has given back would be theirs otherwise, and nothing be left for values.
 *
 * Both shares are in one file of zeros, so that any of them can be cut off. What is for copies is more than what is for
 * values: the length of the file also says whose it is.
 */
export class Reserve {
  readonly #disk: Disk;
  readonly #path: string;
  /** How much each is to have; 0 for none (bytes). */
  readonly #wanted: Readonly<Record<Share, number>>;
  /** How much each has. It may be less than is wanted, and is then all there is (bytes). */
  readonly #held: Record<Share, number> = { values: 0, copies: 0 };
  #lack: unknown = null;
  #taking: Promise<void> | null = null;

  /** @param wanted how much each is to have; 0 for none (bytes) */
  constructor(disk: Disk, path: string, wanted: Readonly<Record<Share, number>>) {
    this.#disk = disk;
    this.#path = path;
    this.#wanted = wanted;
  }

  /** Why entries must not be written, an error of the disk: what is free is for named values. `null` while they may. */
  get lack(): unknown {
    return this.#lack;
  }

  /** Takes what an earlier run has kept, and the rest where there is room for it. */
  async open(): Promise<void> {
    const all = this.#wanted.values + this.#wanted.copies;
    if (all > 0) await this.#tryWith((file) => this.#adopt(file, all));
  }

  /** Takes the space, if it is not held; resolves in any case. */
  take(): Promise<void> {
    if (SHARES.every((share) => !this.#lacks(share))) return Promise.resolve();
    this.#taking ??= this.#tryWith((file) => this.#takeIn(file)).finally(() => {
      this.#taking = null;
    });
    return this.#taking;
  }

  /** Gives the space of one back to the disk. @returns whether there was some */
  async release(share: Share): Promise<boolean> {
    await this.#taking;
    if (this.#held[share] === 0) return false;
    this.#held[share] = 0;
    this.#lack = Object.assign(new Error("what is left is held back"), { code: "ENOSPC" });
    await this.#cut();
    return true;
  }

  /** Waits for what is going on. */
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
      if (isNoSpace(error)) lack = error;
    }
    const isHeld = !SHARES.some((share) => this.#lacks(share));
    if (isHeld) this.#lack = null;
    else if (lack !== null) this.#lack = lack;
  }

  /** Writes all anew, since a file that was copied may have its zeros as holes, which take no space. */
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

  /** @param kept what the file has (bytes) */
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

  /** Where something else has the name, which is no file of the journal's own, that goes. */
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

  /** @returns false where it could not be cut; a descriptor, say, is lacking, which a removal needs not */
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
