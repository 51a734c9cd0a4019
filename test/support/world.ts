import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { TypedSocket } from "../../lib/index.ts";
import { FileJournal, type FileJournalOptions } from "../../lib/journal/index.ts";

/** What a test of journals and sockets makes, ended in the reverse order: sockets, journals, directories. */
export class World {
  readonly #ends: (() => unknown)[] = [];

  constructor(t: TestContext) {
    t.after(() => this.end());
  }

  /** Ends everything before the test does. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  directory(): string {
    const path = mkdtempSync(join(tmpdir(), "brokerless-"));
    this.#ends.push(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }

  async journal(
    path: string = this.directory(),
    options?: FileJournalOptions,
  ): Promise<FileJournal> {
    const journal = await FileJournal.open(path, options);
    this.#ends.push(() => journal.close());
    return journal;
  }

  socket<S extends Pick<TypedSocket, "close">>(socket: S): S {
    this.#ends.push(() => socket.close());
    return socket;
  }
}
