import { type DiskFile, writeAll } from "../disk/disk.ts";
import { diskFailure, isFullDisk, lackOrPoisoned, poisoned } from "../disk/disk-errors.ts";

/** A longer commit gains nothing from preallocated blocks (bytes). */
const PREALLOCATE_COMMIT_BYTES = 32 * 1024;

/** Data to append to a {@link TailFile}. */
export interface TailWrite {
  readonly pieces: readonly Uint8Array[];
  /** Total length of the pieces (bytes). */
  readonly bytes: number;
  /** Gives reserved space back to a full disk. @returns whether there was some */
  makeRoom(): Promise<boolean>;
}

/** An existing file to continue, open for writing. */
export interface TailStart {
  readonly file: DiskFile;
  readonly name: string;
  /** End of its contents, up to which it is durable (byte offset). */
  readonly end: number;
  /** Zeros, written after a commit that exceeds the allocated length. */
  readonly zeros: Uint8Array;
}

/**
 * The file to which a log appends. It preallocates space for small commits, takes back writes that
 * a full disk cut short, and tracks how far the file is durable.
 *
 * One `write`, `trim` or `close` at a time; `sync` may run concurrently. Invariant:
 * `durable <= written <= allocated` (byte offsets).
 *
 * @see docs/decisions/0025-failing-disks.md
 */
export class TailFile {
  readonly #file: DiskFile;
  readonly #name: string;
  readonly #zeros: Uint8Array;
  /** Syncs in flight: the file must not be closed before they end. */
  #syncing: Promise<unknown> = Promise.resolve();
  #written: number;
  #durable: number;
  #allocated: number;

  constructor({ file, name, end, zeros }: TailStart) {
    this.#file = file;
    this.#name = name;
    this.#zeros = zeros;
    this.#written = end;
    this.#durable = end;
    this.#allocated = end;
  }

  /** End of the written contents, without preallocated zeros (byte offset). */
  get written(): number {
    return this.#written;
  }

  get durable(): number {
    return this.#durable;
  }

  /**
   * Appends the pieces with one write.
   *
   * @throws BrokerlessError BROKERLESS_NO_SPACE with nothing changed; after any other error the
   *   file must not be used
   */
  async write(work: TailWrite): Promise<void> {
    const { pieces, bytes } = work;
    const end = this.#written + bytes;
    const grows = end > this.#allocated && bytes <= PREALLOCATE_COMMIT_BYTES;
    try {
      await writeAll(this.#file, grows ? [...pieces, this.#zeros] : pieces, this.#written);
      this.#allocated = grows ? end + this.#zeros.length : Math.max(this.#allocated, end);
    } catch (error) {
      await this.#takeBack(error);
      const hasRoom = await work.makeRoom();
      if (!hasRoom && !grows) throw diskFailure(error, `write ${bytes} bytes to ${this.#name}`);
      await this.#writeTight(work);
    }
    this.#written = end;
  }

  /**
   * Makes the bytes written so far durable; writes after the start of the call are not covered.
   *
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED, even for a full disk: after a failed sync
   *   the contents of the disk are unknown
   */
  async sync(): Promise<void> {
    const end = this.#written;
    const syncing = this.#file.sync();
    this.#syncing = Promise.allSettled([this.#syncing, syncing]);
    try {
      await syncing;
    } catch (error) {
      throw poisoned(error, `sync ${this.#name}`);
    }
    this.#durable = Math.max(this.#durable, end);
  }

  /**
   * Cuts off the preallocated zeros.
   *
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED, BROKERLESS_NO_SPACE for a lack of
   *   descriptors, with nothing changed
   */
  async trim(): Promise<void> {
    if (this.#allocated === this.#written) return;
    try {
      await this.#file.truncate(this.#written);
      this.#allocated = this.#written;
    } catch (error) {
      throw lackOrPoisoned(error, `trim ${this.#name}`);
    }
  }

  async close(): Promise<void> {
    await this.#syncing;
    await this.#file.close();
  }

  /** Without preallocation: on a full disk the last bytes are for acknowledged entries. */
  async #writeTight({ pieces, bytes }: TailWrite): Promise<void> {
    try {
      await writeAll(this.#file, pieces, this.#written);
      this.#allocated = this.#written + bytes;
    } catch (error) {
      await this.#takeBack(error);
      throw diskFailure(error, `write ${bytes} bytes to ${this.#name}`);
    }
  }

  /** A recovery must not find a short write, because its appends are reported as not stored. */
  async #takeBack(cause: unknown): Promise<void> {
    if (!isFullDisk(cause)) throw poisoned(cause, `write ${this.#name}`);
    try {
      await this.#file.truncate(this.#written);
      await this.#file.sync();
      this.#allocated = this.#written;
    } catch (error) {
      throw poisoned(error, `take back a short write in ${this.#name}`);
    }
  }
}
