import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorOfConnecting } from "../native/ipc-path.ts";

const PREFIX = "brokerless-gate-";
/** Most leftover directories that are checked in one call (count). */
const SWEPT_MAX = 100;

let isSwept = false;

/**
 * Makes a directory that no other account may enter, for the unix socket behind a gate. The first
 * call of a process also removes the directories of killed processes.
 */
export async function makeGateDirectory(): Promise<string> {
  if (!isSwept) void sweepGateDirectories().catch(() => {});
  isSwept = true;
  return await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
}

/** The path of the socket in a gate's directory. */
export function innerPathOf(directory: string): string {
  return join(directory, "inner");
}

/**
 * Removes the directories of this user whose process has ended and whose socket nobody serves: a
 * process of that number may be running in another container. A directory without a socket is just
 * being made.
 */
export async function sweepGateDirectories(root: string = tmpdir()): Promise<void> {
  const names = (await readdir(root)).filter((name) => name.startsWith(PREFIX));
  for (const name of names.slice(0, SWEPT_MAX)) {
    if (isAlive(Number.parseInt(name.slice(PREFIX.length), 10))) continue;
    const directory = join(root, name);
    const stats = await lstat(directory).catch(() => null);
    if (stats === null || !stats.isDirectory() || stats.uid !== process.getuid?.()) continue;
    if ((await errorOfConnecting(innerPathOf(directory))) !== "ECONNREFUSED") continue;
    await rm(directory, { recursive: true, force: true });
  }
}

function isAlive(processId: number): boolean {
  if (!(processId > 0)) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
