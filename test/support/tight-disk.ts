import type { DiskFile } from "../../lib/journal/disk/disk.ts";
import { errno, type SimContents, SimDisk } from "./sim-disk.ts";

/** A simulated disk with room for so much: what a file grows by needs room, what is cut off or removed gives some. */
export class TightDisk extends SimDisk {
  capacityBytes: number;

  constructor(capacityBytes: number, contents?: SimContents) {
    super(contents);
    this.capacityBytes = capacityBytes;
  }

  override async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await super.open(path, mode);
    const write: DiskFile["write"] = async (pieces, position) => {
      const end = pieces.reduce((sum, { length }) => sum + length, position);
      const growthBytes = Math.max(0, end - (await file.size()));
      if (growthBytes > this.freeBytes) throw errno("ENOSPC", path);
      return file.write(pieces, position);
    };
    return { ...file, write };
  }

  get freeBytes(): number {
    const usedBytes = this.paths.reduce((sum, path) => sum + this.peek(path).length, 0);
    return this.capacityBytes - usedBytes;
  }
}
