import type { DirectoryLock } from "../disk/directory-lock.ts";
import { lackOrPoisoned } from "../disk/disk-errors.ts";
import type { JournalPorts } from "../disk/ports.ts";
import type { Segment } from "./segment.ts";

/** Dependencies of {@link SegmentRemoval}. */
export interface SegmentRemovalParts {
  readonly ports: JournalPorts;
  readonly directory: string;
  /** Segments of the log, oldest first; removed ones are taken out. */
  readonly segments: Segment[];
  /** Checked before each removal. */
  readonly lock: Pick<DirectoryLock, "assertHeld">;
}

/** Removes the oldest segments of a log, one after another, and never the newest one. */
export class SegmentRemoval {
  readonly #parts: SegmentRemovalParts;
  #removing: Promise<void> = Promise.resolve();

  constructor(parts: SegmentRemovalParts) {
    this.#parts = parts;
  }

  /**
   * Removes the segments without entries from `seq` on; the caller has made `seq` durable before.
   *
   * @throws BrokerlessError BROKERLESS_NO_SPACE for a lack of descriptors: the next call removes
   *   the rest; after any other error the log must not be used
   */
  before(seq: number): Promise<void> {
    const removed = this.#removing.then(() => this.#removeBefore(seq));
    this.#removing = removed.catch(() => {});
    return removed;
  }

  async #removeBefore(seq: number): Promise<void> {
    const { directory, ports, segments, lock } = this.#parts;
    while (segments.length > 1 && segments[1]!.header.seqBase <= seq) {
      const { name } = segments[0]!;
      lock.assertHeld();
      try {
        // From the oldest on, and each durable before the next: a crash never leaves a gap.
        await this.#remove(`${directory}/${name}`);
        await ports.disk.syncDirectory(directory);
      } catch (error) {
        // After a lack of descriptors the next removal repeats it.
        throw lackOrPoisoned(error, `remove ${name}`);
      }
      segments.shift();
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#parts.ports.disk.unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
