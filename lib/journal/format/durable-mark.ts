import { crc32 } from "node:zlib";
import { getU16, getU32, getU64, putU16, putU32, putU64 } from "../../batch/layout.ts";
import { type DiskFile, writeAll } from "../disk/disk.ts";
import { isFullDisk } from "../disk/disk-errors.ts";

const MAGIC = Buffer.from("BRKLMRK\n");
const MARK_BYTES = 96;

/**
 * How far the newest segment is durable and stored. Little-endian, 96 bytes, overwritten in place
 * after a commit and not synced itself: it may be old, and is never ahead of the log.
 *
 * | at | bytes | field                                                            |
 * |----|-------|------------------------------------------------------------------|
 * |  0 |     8 | "BRKLMRK\n"                                                      |
 * |  8 |     2 | version, 1                                                       |
 * | 10 |     2 | flags: 1 = the writer does not sync each commit                  |
 * | 12 |     4 | number of the newest segment                                     |
 * | 16 |    16 | stream id                                                        |
 * | 32 |    16 | boot id of the machine: the page cache lives as long             |
 * | 48 |     4 | durable up to (byte offset in that segment)                      |
 * | 52 |     4 | stored up to, at the writer's sync level (byte offset)           |
 * | 56 |     8 | highest stored seq                                               |
 * | 64 |    28 | 0                                                                |
 * | 92 |     4 | CRC-32 of bytes 0 to 92                                          |
 */
export interface Mark {
  readonly segment: number;
  readonly stream: string;
  /** 32 hex digits. */
  readonly bootId: string;
  readonly durableOffset: number;
  readonly storedOffset: number;
  readonly seqStored: number;
  readonly lazy: boolean;
}

/** @returns the 96 bytes */
export function encodeMark(mark: Mark): Buffer {
  const bytes = Buffer.alloc(MARK_BYTES);
  MAGIC.copy(bytes);
  putU16(bytes, 8, 1);
  putU16(bytes, 10, mark.lazy ? 1 : 0);
  putU32(bytes, 12, mark.segment);
  bytes.write(mark.stream, 16, "hex");
  bytes.write(mark.bootId, 32, "hex");
  putU32(bytes, 48, mark.durableOffset);
  putU32(bytes, 52, mark.storedOffset);
  putU64(bytes, 56, mark.seqStored);
  putU32(bytes, 92, crc32(bytes.subarray(0, 92)));
  return bytes;
}

/**
 * @returns `null` where it is torn or of an unknown version: it is an aid, and the log can be
 *   judged without it
 */
export function decodeMark(bytes: Buffer): Mark | null {
  if (bytes.length < MARK_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return null;
  if (crc32(bytes.subarray(0, 92)) !== getU32(bytes, 92) || getU16(bytes, 8) !== 1) return null;
  return {
    segment: getU32(bytes, 12),
    stream: bytes.toString("hex", 16, 32),
    bootId: bytes.toString("hex", 32, 48),
    durableOffset: getU32(bytes, 48),
    storedOffset: getU32(bytes, 52),
    seqStored: getU64(bytes, 56),
    lazy: (getU16(bytes, 10) & 1) === 1,
  };
}

/**
 * Writes the newest mark, with one write in flight; marks that arrive meanwhile replace each other.
 */
export class MarkFile {
  readonly #file: DiskFile;
  readonly #onError: (error: unknown) => void;
  #next: Mark | null = null;
  #writing: Promise<void> | null = null;

  constructor(file: DiskFile, onError: (error: unknown) => void) {
    this.#file = file;
    this.#onError = onError;
  }

  /** Schedules a write of the mark. @returns resolves when it, or a newer one, is written */
  put(mark: Mark): Promise<void> {
    this.#next = mark;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  /**
   * Writes the mark and makes it durable; on a full disk the old mark stays, which is still
   * correct.
   */
  async putDurably(mark: Mark): Promise<void> {
    this.#next = null;
    await this.#writing;
    try {
      await writeAll(this.#file, [encodeMark(mark)], 0);
    } catch (error) {
      if (!isFullDisk(error)) throw error;
      this.#onError(error);
    }
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #write(): Promise<void> {
    while (this.#next !== null) {
      const bytes = encodeMark(this.#next);
      this.#next = null;
      try {
        await writeAll(this.#file, [bytes], 0);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
