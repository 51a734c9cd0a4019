import {
  type BigIntStats,
  chmodSync,
  lstatSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/**
 * Link to the private directory: with it the listening path is short, however long the real path
 * is.
 */
const LINK_NAME = "p";
/** `sun_path` has 104 bytes on some systems, the last of them a NUL. */
const PATH_BYTES_MAX = 103;
/**
 * Write permission for a unix socket allows connections; the system would set the mode by the
 * umask.
 */
const MODE = 0o600;

/**
 * The file of a unix socket by which peers connect.
 *
 * It is created in a directory that no other account may enter, next to its final path, and gets
 * its mode there. Then it is renamed, so there is no moment at which another account could connect.
 * At a close, Node removes whatever is at its listening path, even the socket of a successor; here
 * it finds nothing, and this class removes its own file. The rename also replaces the file of a
 * killed process in one step.
 *
 * @see docs/decisions/0059-whose-socket-file.md
 */
export class SocketFile {
  /** The path to listen at. */
  readonly draft: string;
  readonly #place: string;
  /** Directories made for this file alone. */
  readonly #directories: string[];
  /** The published file; null before. */
  #own: BigIntStats | null = null;

  /**
   * @param place the path for peers, absolute
   * @param directory one that no other account may enter, for the link where the path is long; by
   *   default one is made
   * @throws Error with a `code` of the system; ENAMETOOLONG where `directory` is too long
   */
  constructor(place: string, directory?: string) {
    this.#place = place;
    const next = mkdtempSync(join(dirname(place), ".brokerless-"));
    this.#directories = [next];
    const draft = join(next, "s");
    if (Buffer.byteLength(draft) <= PATH_BYTES_MAX) {
      this.draft = draft;
      return;
    }
    try {
      this.draft = this.#linkTo(next, directory ?? this.#makeHome());
    } catch (error) {
      this.#tidy();
      throw error;
    }
  }

  /**
   * Gives the socket that listens at `draft` its mode and its final path. @throws Error of the
   * system
   */
  publish(): void {
    chmodSync(this.draft, MODE);
    const own = lstatSync(this.draft, { bigint: true });
    renameSync(this.draft, this.#place);
    this.#own = own;
    this.#tidy();
  }

  /**
   * Removes the file, unless another one has replaced it, or the draft if it was not published.
   *
   * To be called before the socket is closed: while it is open, the system assigns its inode number
   * to no other file.
   */
  remove(): void {
    this.#tidy();
    if (this.#own === null) return;
    const { dev, ino } = this.#own;
    this.#own = null;
    try {
      const there = lstatSync(this.#place, { bigint: true });
      if (there.dev === dev && there.ino === ino) unlinkSync(this.#place);
    } catch {
      // It or its directory is gone already, or cannot be removed.
    }
  }

  #makeHome(): string {
    const home = mkdtempSync(join(tmpdir(), "brokerless-ipc-"));
    this.#directories.push(home);
    return home;
  }

  #linkTo(directory: string, home: string): string {
    const link = join(home, LINK_NAME);
    const draft = join(link, "s");
    if (Buffer.byteLength(draft) > PATH_BYTES_MAX) {
      const message = `${draft} has more than ${PATH_BYTES_MAX} bytes`;
      throw Object.assign(new Error(message), { code: "ENAMETOOLONG" });
    }
    symlinkSync(directory, link);
    return draft;
  }

  #tidy(): void {
    for (const directory of this.#directories.splice(0)) {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
