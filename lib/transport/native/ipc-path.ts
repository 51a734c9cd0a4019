import { createHash } from "node:crypto";
import { lstat, realpath, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Between two tries to have a path alone (milliseconds). */
const PAUSE_MS = 10;
/** Tries after which a path is looked at without having it alone: its lock is held by somebody else's mistake (count). */
const TRIES_MAX = 100;

/** The claims of this process that are under way, by path, each after the one before it. */
const underWay = new Map<string, Promise<unknown>>();

/** Whether an ipc socket has a file with a mode: abstract names have none. */
export function hasFile(path: string): boolean {
  return !path.startsWith("@") && process.platform !== "win32";
}

/**
 * Binds an ipc path unless somebody listens there. libzmq itself removes whatever lies at a path, a socket that is
 * served, or a file, and takes its place: who was there hears nothing of it, and of nobody else.
 *
 * Looking and binding is one step among all that use this package on this machine (in one network namespace, and
 * on Linux; elsewhere in one process).
 *
 * @param path as libzmq gets it, without `ipc://`
 * @param bind is given the one name of the path, absolute: it must bind that place
 * @throws Error with a `code` where the path is taken, or is something else
 * @see docs/decisions/0013-names-and-paths.md
 */
export async function bindFreePath<T>(
  path: string,
  bind: (place: string) => T | Promise<T>,
): Promise<T> {
  // An abstract name is free or not, and the system says so.
  if (!hasFile(path)) return await bind(path);
  const place = await realPlace(path);
  await checkDirectory(dirname(place));
  const before = underWay.get(place) ?? Promise.resolve();
  const claim = before.then(() => bindAlone(place, bind));
  const settled = claim
    .catch(() => {})
    .then(() => {
      if (underWay.get(place) === settled) underWay.delete(place);
    });
  underWay.set(place, settled);
  return await claim;
}

async function bindAlone<T>(place: string, bind: (place: string) => T | Promise<T>): Promise<T> {
  const lock = process.platform === "linux" ? await lockPath(place) : null;
  try {
    await checkFree(place);
    return await bind(place);
  } finally {
    lock?.close();
  }
}

/** @throws Error with a `code` where there is none: what is made in it would be named otherwise in the system's text */
async function checkDirectory(directory: string): Promise<void> {
  const stats = await stat(directory);
  if (!stats.isDirectory()) throw taken("ENOTDIR", `${directory} is no directory`);
}

/** @throws Error where somebody listens at the path, or where it is no socket */
async function checkFree(place: string): Promise<void> {
  const stats = await lstat(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (stats === null) return;
  if (!stats.isSocket()) throw taken("EEXIST", "something that is no socket is there");
  const code = await errorOfConnecting(place);
  if (code === "ECONNREFUSED" || code === "ENOENT") return;
  if (code === null || code === "EAGAIN") throw taken("EADDRINUSE", "somebody listens there");
  throw taken(code, "it cannot be seen whether somebody listens there");
}

/** @returns the code of the error with which a connection to a unix socket fails; null when somebody listens */
export function errorOfConnecting(place: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(place);
    socket.once("connect", () => {
      socket.destroy();
      resolve(null);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "EIO"));
  });
}

/** Holds an abstract name for the path. Whoever does not give it back keeps nobody from binding, only waiting. */
async function lockPath(place: string): Promise<Server | null> {
  const name = createHash("sha256").update(place).digest("hex");
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const server = createServer((socket) => socket.destroy());
    const isHeld = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(`\0brokerless-ipc-${name}`, () => resolve(true));
    });
    if (isHeld) return server;
    await delay(PAUSE_MS);
  }
  return null;
}

/** One name for a path, however it was written. */
async function realPlace(path: string): Promise<string> {
  const directory = await realpath(dirname(path)).catch(() => dirname(path));
  return join(directory, basename(path));
}

function taken(code: string, reason: string): Error {
  return Object.assign(new Error(reason), { code });
}
