import { createHash } from "node:crypto";
import { lstat, realpath, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Pause between two attempts to lock a path (milliseconds). */
const PAUSE_MS = 10;
/**
 * Attempts after which a path is used without the lock: another program holds it by mistake
 * (count).
 */
const TRIES_MAX = 100;

/** Pending claims of this process by path, each after the previous one. */
const underWay = new Map<string, Promise<unknown>>();

/** Whether an ipc socket has a file with a mode; abstract names have none. */
export function hasFile(path: string): boolean {
  return !path.startsWith("@") && process.platform !== "win32";
}

/**
 * Binds an ipc path unless another socket listens there. libzmq itself removes anything at a path,
 * a served socket or a file, and takes its place; the previous owner gets no notification, and no
 * more connections.
 *
 * Check and bind are one atomic step among all users of this package on this machine (in one
 * network namespace, and on Linux; elsewhere within one process).
 *
 * @param path as libzmq gets it, without `ipc://`
 * @param bind called with the canonical, absolute path: it must bind that path
 * @throws Error with a `code` where the path is taken, or is something else
 * @see docs/decisions/0013-names-and-paths.md
 */
export async function bindFreePath<T>(
  path: string,
  bind: (place: string) => T | Promise<T>,
): Promise<T> {
  // The system itself refuses an abstract name that is taken.
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

/**
 * @throws Error with a `code` where it does not exist: the system's error for a file in it would
 *   name another path
 */
async function checkDirectory(directory: string): Promise<void> {
  const stats = await stat(directory);
  if (!stats.isDirectory()) throw taken("ENOTDIR", `${directory} is no directory`);
}

/** @throws Error where a socket listens at the path, or where it is no socket */
async function checkFree(place: string): Promise<void> {
  const stats = await lstat(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (stats === null) return;
  if (!stats.isSocket()) throw taken("EEXIST", "the path is in use and is not a socket");
  const code = await errorOfConnecting(place);
  if (code === "ECONNREFUSED" || code === "ENOENT") return;
  if (code === null || code === "EAGAIN") throw taken("EADDRINUSE", "somebody listens there");
  throw taken(code, "it is unknown whether a socket listens there");
}

/**
 * @returns the code of the error with which a connection to a unix socket fails; null when it
 *   succeeds
 */
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

/** Locks a path with an abstract name. A lock that is never released only delays others. */
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

/** The canonical form of a path. */
async function realPlace(path: string): Promise<string> {
  const directory = await realpath(dirname(path)).catch(() => dirname(path));
  return join(directory, basename(path));
}

function taken(code: string, reason: string): Error {
  return Object.assign(new Error(reason), { code });
}
