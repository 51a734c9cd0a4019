import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorOfConnecting } from "../native/ipc-path.ts";

const PREFIX = "brokerless-gate-";
/** Left behind ones that are looked at in one go (count). */
const SWEPT_MAX = 100;

let isSwept = false;

/**
 * Makes a directory that nobody else may enter, for the unix socket behind a gate. The first one of a process also
 * removes those of processes that were killed, and could not do so themselves.
 */
export async function makeGateDirectory(): Promise<string> {
  if (!isSwept) void sweepGateDirectories().catch(() => {});
  isSwept = true;
  return await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
}

/** The socket in a gate's directory (a path). */
export function innerPathOf(directory: string): string {
  return join(directory, "inner");
}

/**
 * Removes the directories of this user whose process has ended, and whose socket nobody serves: a process of that
 * number may live in another container. One without a socket is just being made.
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
