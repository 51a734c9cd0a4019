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

/** Leads to the private directory: by it the name to listen at is short, however long the path is. */
const LINK_NAME = "p";
/** `sun_path` has 104 bytes on some systems, the last of them a NUL. */
const PATH_BYTES_MAX = 103;
/** Whoever may write to a unix socket can connect to it; the system makes it as the umask says. */
const MODE = 0o600;

/**
 * The file by which peers find a unix socket that listens at a path.
 *
 * It is made in a directory that nobody else may enter, next to its place, and gets its mode there. Then it is renamed:
 * there is no moment at which another account could connect. Also Node, which removes at a close whatever lies at the
 * path that it was told to listen at, also the socket of a successor, finds nothing: what is ours is removed by us. And
 * it takes the place of what a killed process has left in one step.
 *
 * @see docs/decisions/0059-whose-socket-file.md
 */
export class SocketFile {
  /** Where to listen. */
  readonly draft: string;
  readonly #place: string;
  /** Made for this file alone. */
  readonly #directories: string[];
  /** The file has its name, and is this one. */
  #own: BigIntStats | null = null;

  /**
   * @param place the path that peers know, absolute
   * @param directory one that nobody else may enter, for the link where the path is long; by default one is made
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

  /** Gives the socket that listens at `draft` its mode and its name. @throws Error of the system */
  publish(): void {
    chmodSync(this.draft, MODE);
    const own = lstatSync(this.draft, { bigint: true });
    renameSync(this.draft, this.#place);
    this.#own = own;
    this.#tidy();
  }

  /**
   * Removes the file, unless another one has its place, or what was made for one that has no name yet.
   *
   * To be called before the socket is closed: as long as that is open, the system gives the number of its file to no other.
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
      // Gone already, or its directory is: nothing of ours is left, or nothing that can be removed.
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
