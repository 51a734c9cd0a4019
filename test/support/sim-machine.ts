import type { Disk, DiskFile } from "../../lib/journal/disk/disk.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import type { SyncLevel } from "../../lib/journal/file/file-journal-options.ts";
import type { Random } from "./random.ts";
import { DurableState, SimDisk } from "./sim-disk.ts";
import { simPorts } from "./sim-ports.ts";

/** A machine with a disk that takes its time, and that processes and power leave at any moment. */
export class SimMachine {
  readonly #random: Random;
  #disk = new SimDisk();
  /** What the disk was asked for and has not done. */
  #work: (() => void)[] = [];
  #isQuick = false;
  #opens = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Opens the journal on the disk, as a process that starts does. */
  async open(sync: SyncLevel): Promise<FileJournal> {
    // A world of seeds: what the journal draws must not depend on what else was drawn.
    const ports = simPorts(this.#slow(this.#disk), this.#random.below(2 ** 30) + this.#opens++);
    this.#isQuick = true;
    const options = { segmentBytes: 4096, batchBytesMax: 512, sync };
    const journal = await FileJournal.openWith(ports, "/journal", options);
    this.#isQuick = false;
    return journal;
  }

  /** Lets the disk do some of its work (count). */
  work(count: number): void {
    for (const done of this.#work.splice(0, count)) done();
  }

  /** The process dies: what it wrote is with the system, what it waits for never happens. */
  kill(): void {
    this.#work = [];
    this.#disk = this.#disk.clone();
  }

  /** What is on the disk, as a copy or a snapshot has it. */
  backup(): SimDisk {
    return this.#disk.clone();
  }

  /** Another disk is put into the machine, while nothing runs on it. */
  restore(backup: SimDisk): void {
    this.#work = [];
    this.#disk = backup.clone();
  }

  /** The power fails: what was not synced may be there, in part, or not. */
  cutPower(): void {
    this.#work = [];
    const state = new DurableState();
    for (const op of this.#disk.ops) state.apply(op);
    this.#disk = state.crash(this.#random);
  }

  #slow(disk: SimDisk): Disk {
    const turn = (): Promise<void> | void =>
      this.#isQuick ? undefined : new Promise((resolve) => this.#work.push(resolve));
    const slow = (file: DiskFile): DiskFile => ({
      ...file,
      write: async (pieces, position) => {
        await turn();
        return file.write(pieces, position);
      },
      sync: async () => {
        await turn();
        await file.sync();
      },
    });
    return {
      makeDirectory: (path) => disk.makeDirectory(path),
      list: (path) => disk.list(path),
      open: async (path, mode) => slow(await disk.open(path, mode)),
      rename: (from, to) => disk.rename(from, to),
      unlink: (path) => disk.unlink(path),
      syncDirectory: (path) => disk.syncDirectory(path),
    };
  }
}
