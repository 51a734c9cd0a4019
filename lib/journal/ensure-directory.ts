import { dirname } from "node:path";
import type { Disk } from "./disk.ts";

/** Makes a directory and what is missing above it, each durable before the next. */
export async function ensureDirectory(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path);
  try {
    if (await disk.makeDirectory(path)) await disk.syncDirectory(parent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    await ensureDirectory(disk, parent);
    await ensureDirectory(disk, path);
  }
}
