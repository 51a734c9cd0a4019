import { type Disk, readAll } from "../disk/disk.ts";

/** Larger segments are not read ahead: two of them at once would take too much memory (bytes). */
const AHEAD_BYTES_MAX = 2 ** 28;

/**
 * Reads whole files one after another, the next one while the caller processes the current one.
 *
 * The bytes belong to the caller until the next iteration; then their memory is reused, since fresh
 * memory costs the system a page fault for each 4 KiB.
 */
export async function* loadFiles(
  disk: Disk,
  paths: readonly string[],
): AsyncGenerator<Buffer, void, undefined> {
  const memory: Buffer[] = [Buffer.alloc(0), Buffer.alloc(0)];
  const load = async (index: number): Promise<Buffer> => {
    const file = await disk.open(paths[index]!, "read");
    try {
      const size = await file.size();
      const slot = index % 2;
      if (memory[slot]!.length < size) memory[slot] = Buffer.allocUnsafeSlow(size);
      const bytes = memory[slot]!.subarray(0, size);
      return bytes.subarray(0, await readAll(file, bytes, 0));
    } finally {
      await file.close();
    }
  };
  let ahead: Promise<Buffer> | null = null;
  for (let index = 0; index < paths.length; index++) {
    const bytes: Buffer = await (ahead ?? load(index));
    ahead = null;
    if (index + 1 < paths.length && bytes.length <= AHEAD_BYTES_MAX) {
      ahead = load(index + 1);
      // If the caller stops early, nobody awaits it.
      ahead.catch(() => {});
    }
    yield bytes;
  }
  await ahead;
}
