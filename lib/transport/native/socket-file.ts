import { randomBytes } from "node:crypto";
import { type BigIntStats, lstatSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/** Leads from a directory of ours to that of the path: by it the name to listen at is short, however long the path is. */
const LINK_NAME = "p";
/** `sun_path` has 104 bytes on some systems, the last of them a NUL. */
const PATH_BYTES_MAX = 103;

/**
 * The file by which peers find a unix socket that Node serves.
 *
 * Node removes at a close whatever lies at the path that it was told to listen at, also the socket of a successor. So it
 * is told another name in the same directory, and the file is renamed: then it finds nothing to remove, and what is ours
 * is removed by us. It also takes the place of what a killed process has left in one step.
 *
 * @see docs/decisions/0059-whose-socket-file.md
 */
export class SocketFile {
  /** Where to listen. */
  readonly draft: string;
  readonly #place: string;
  /** The file has its name, and is this one. */
  #own: BigIntStats | null = null;

  /**
   * @param place the path that peers know, absolute
   * @param directory one that nobody else may enter
   * @throws Error with a `code` of the system; ENAMETOOLONG where `directory` is too long
   */
  constructor(place: string, directory: string) {
    const link = join(directory, LINK_NAME);
    this.#place = place;
    this.draft = join(link, `.${randomBytes(4).toString("hex")}`);
    if (Buffer.byteLength(this.draft) > PATH_BYTES_MAX) {
      const message = `${this.draft} has more than ${PATH_BYTES_MAX} bytes`;
      throw Object.assign(new Error(message), { code: "ENAMETOOLONG" });
    }
    symlinkSync(dirname(place), link);
  }

  /** Gives the socket that listens at `draft` its name. @throws Error of the system */
  publish(): void {
    const own = lstatSync(this.draft, { bigint: true });
    renameSync(this.draft, this.#place);
    this.#own = own;
  }

  /**
   * Removes the file, unless another one has its place.
   *
   * To be called before the socket is closed: as long as that is open, the system gives the number of its file to no other.
   */
  remove(): void {
    if (this.#own === null) return;
    const { dev, ino } = this.#own;
    this.#own = null;
    try {
      const there = lstatSync(this.#place, { bigint: true });
      if (there.dev === dev && there.ino === ino) unlinkSync(this.#place);
    } catch {
      // Gone already, or its directory is: nothing of ours is left, or nothing that can be removed.
    }
  }
}
