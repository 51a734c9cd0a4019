import fs from "node:fs";

/** Only writes and syncs: the limit set by the disk and the thread pool. */
export class BareFile {
  readonly #fd: number;
  #end = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static create(path: string): Promise<BareFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, "w", 0o600, (error, fd) => (error ? reject(error) : resolve(new BareFile(fd))));
    });
  }

  append(bytes: Buffer): Promise<void> {
    const at = this.#end;
    this.#end += bytes.length;
    return new Promise((resolve, reject) => {
      fs.write(this.#fd, bytes, 0, bytes.length, at, (failed) => {
        if (failed) return reject(failed);
        fs.fdatasync(this.#fd, (error) => (error ? reject(error) : resolve()));
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => fs.close(this.#fd, () => resolve()));
  }
}
