import { writeAll } from "../disk/disk.ts";
import type { JournalPorts } from "../disk/ports.ts";

/** Name of the directory, inside a journal's, for bytes that a recovery or a repair removed. */
export const BROKEN_NAME = "broken";

/**
 * Saves bytes that are about to be cut, and makes the copy durable first.
 *
 * @returns the path of the copy inside the journal's directory
 */
export async function setAside(
  at: { readonly directory: string; readonly ports: JournalPorts },
  from: { readonly file: string; readonly offset: number },
  bytes: Uint8Array,
): Promise<string> {
  const { disk } = at.ports;
  const broken = `${at.directory}/${BROKEN_NAME}`;
  if (await disk.makeDirectory(broken)) await disk.syncDirectory(at.directory);
  const taken = new Set(await disk.list(broken));
  const base = `${from.file}.${from.offset}`;
  let name = base;
  for (let copy = 2; taken.has(name); copy++) name = `${base}.${copy}`;
  const file = await disk.open(`${broken}/${name}`, "create");
  try {
    await writeAll(file, [bytes], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.syncDirectory(broken);
  return `${BROKEN_NAME}/${name}`;
}
