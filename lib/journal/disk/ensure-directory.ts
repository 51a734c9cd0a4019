import { dirname } from "node:path";
import type { Disk } from "./disk.ts";

/** Makes a directory and its missing parents, each durable before the next. */
export async function ensureDirectory(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path);
  const make = async () => {
    if (await disk.makeDirectory(path, "link")) await disk.syncDirectory(parent);
  };
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    await ensureDirectory(disk, parent);
    // Once: below a dangling link, or in /proc, the parent exists and the child never will.
    await make();
  }
}
