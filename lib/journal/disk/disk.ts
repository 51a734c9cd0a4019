import { TEMPORARY_SUFFIX } from "./file-names.ts";
/**
 * The calls that a journal makes on a disk, and all of them: tests put a simulated or failing disk
 * here. Errors are those of node:fs, with `code` such as `ENOSPC`.
 */
export interface Disk {
  /**
   * Makes a directory for its owner alone (0700). What is there already must be one: a link to one
   * will do only for `"link"`.
   *
   * @returns false where it was there already
   */
  makeDirectory(path: string, may?: "link"): Promise<boolean>;
  /** Names of what is in a directory, in no order. */
  list(path: string): Promise<string[]>;
  /**
   * Opens a file: `read` and `write` need one that is there, `create` makes one for its owner alone
   * (0600) and empties one that is there. Links, pipes and the like are refused: each file of a
   * journal is in its directory. So is, but for `read`, a file with more than one name.
   */
  open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile>;
  /** Renames a file within a directory; atomic, and durable only after `syncDirectory`. */
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
  /** Fills `target` from `position` on. @returns how many bytes came, fewer at the end (bytes) */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes the pieces one behind the other from `position` on. A full disk may make it short
   * without an error.
   *
   * @returns how many bytes were written (bytes)
   */
  write(pieces: readonly Uint8Array[], position: number): Promise<number>;
  /** Sets the length; what is added is zeros. */
  truncate(bytes: number): Promise<void>;
  /** Makes what was written, and the length, durable (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Writes all of the pieces: a short write is followed by one for the rest, which then says why. */
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

/** Reads the whole range, or as much of it as the file has. @returns how many bytes came (bytes) */
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

/** Joins pieces that lie next to each other in memory, so that one call writes few. */
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

/** Puts a whole file in place so that a crash leaves the old one or the new one. */
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
