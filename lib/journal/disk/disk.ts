import { TEMPORARY_SUFFIX } from "./file-names.ts";
/**
 * All calls that a journal makes on a disk; tests replace it by a simulated or failing disk. Errors
 * are those of node:fs, with a `code` such as `ENOSPC`.
 */
export interface Disk {
  /**
   * Makes a directory for its owner alone (0700). An existing path must be a directory; a link to
   * one is accepted only with `"link"`.
   *
   * @returns false where it existed already
   */
  makeDirectory(path: string, may?: "link"): Promise<boolean>;
  /** Names in a directory, in no particular order. */
  list(path: string): Promise<string[]>;
  /**
   * Opens a file: `read` and `write` need an existing one, `create` makes one for its owner alone
   * (0600) and empties an existing one. Links, pipes and the like are refused, because each file of
   * a journal is in its directory. A file with more than one name is refused too, except with
   * `read`.
   */
  open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile>;
  /** Renames a file within a directory; atomic, but durable only after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; durable only after `syncDirectory`. */
  unlink(path: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable (fsync of the directory). */
  syncDirectory(path: string): Promise<void>;
}

/** An open file of a {@link Disk}. */
export interface DiskFile {
  /** Length (bytes). */
  size(): Promise<number>;
  /**
   * Reads from `position` into `target`. @returns bytes read, fewer than requested at the end of
   * the file
   */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes the pieces one after another from `position` on. A full disk may shorten the write
   * without an error.
   *
   * @returns bytes written
   */
  write(pieces: readonly Uint8Array[], position: number): Promise<number>;
  /** Sets the length; added bytes are zeros. */
  truncate(bytes: number): Promise<void>;
  /** Makes the written bytes, and the length, durable (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Writes all of the pieces: after a short write the remainder is written, which then reports the
 * error.
 */
export async function writeAll(
  file: DiskFile,
  pieces: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = pieces;
  for (;;) {
    const bytes = rest.reduce((sum, piece) => sum + piece.length, 0);
    const written = await file.write(rest, position);
    if (written === bytes) return;
    if (written <= 0 || written > bytes) {
      const message = `a write of ${bytes} bytes wrote ${written}`;
      throw Object.assign(new Error(message), { code: written === 0 ? "ENOSPC" : "EIO" });
    }
    position += written;
    rest = skip(rest, written);
  }
}

function skip(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (bytes < piece.length) rest.push(bytes === 0 ? piece : piece.subarray(bytes));
    bytes = Math.max(0, bytes - piece.length);
  }
  return rest;
}

/** Reads the whole range, or as much of it as the file has. @returns bytes read */
export async function readAll(
  file: DiskFile,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const count = await file.read(done === 0 ? target : target.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Reads a file from the start to its end. */
export async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, "read");
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    return bytes.subarray(0, await readAll(file, bytes, 0));
  } finally {
    await file.close();
  }
}

/** Joins pieces that are adjacent in memory, so that one call writes few pieces. */
export function coalesce(pieces: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    const follows =
      last !== undefined &&
      last.buffer === piece.buffer &&
      last.byteOffset + last.length === piece.byteOffset;
    if (!follows) joined.push(piece);
    else {
      const length = last.length + piece.length;
      joined[joined.length - 1] = new Uint8Array(last.buffer, last.byteOffset, length);
    }
  }
  return joined;
}

/** Replaces a whole file so that a crash leaves the old one or the new one. */
export async function replaceFile(
  disk: Disk,
  place: { readonly directory: string; readonly name: string },
  bytes: Uint8Array,
): Promise<void> {
  const path = `${place.directory}/${place.name}`;
  const file = await disk.open(path + TEMPORARY_SUFFIX, "create");
  try {
    await writeAll(file, [bytes], 0);
    await file.sync();
  } catch (error) {
    await disk.unlink(path + TEMPORARY_SUFFIX).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
  await disk.rename(path + TEMPORARY_SUFFIX, path);
  await disk.syncDirectory(place.directory);
}
