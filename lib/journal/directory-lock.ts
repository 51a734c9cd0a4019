import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { BrokerlessError } from "../errors.ts";

/** The right to write to a directory. */
export interface DirectoryLock {
  release(): Promise<void>;
}

const ANSWER_TIMEOUT_MS = 500;

/**
 * Takes the directory for this process: a listening socket in Linux's abstract namespace, named for
 * the directory's device and inode. It frees itself when the process dies, leaves no file that could
 * be stale, and tells a second writer who the first one is. Elsewhere: a file with the process id.
 *
 * @throws BrokerlessError BROKERLESS_LOCKED naming the holder where it answers
 * @see docs/decisions/0026-one-writer.md
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  if (process.platform !== "linux") return lockByFile(directory);
  const { dev, ino } = await fs.promises.stat(directory, { bigint: true });
  const path = `\0brokerless-journal-${dev}-${ino}`;
  const holder = JSON.stringify({ pid: process.pid, since: new Date().toISOString() });
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.end(holder);
  });
  try {
    // `exclusive`, because workers of node:cluster would otherwise share one listening socket.
    server.listen({ path, exclusive: true });
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw locked(directory, await askHolder(path), error);
  }
  server.unref();
  return {
    release: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function askHolder(path: string): Promise<string> {
  const socket = net.connect(path);
  socket.setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy());
  let text = "";
  try {
    for await (const chunk of socket) text += String(chunk).slice(0, 200);
    const { pid, since } = JSON.parse(text) as { pid: number; since: string };
    return `process ${pid} since ${since}`;
  } catch {
    return "a process that does not answer";
  }
}

async function lockByFile(directory: string): Promise<DirectoryLock> {
  const path = `${directory}/lock`;
  for (;;) {
    try {
      await fs.promises.writeFile(path, String(process.pid), { flag: "wx", mode: 0o600 });
      return { release: () => fs.promises.unlink(path) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const pid = Number(await fs.promises.readFile(path, "utf8"));
      if (isAlive(pid)) throw locked(directory, `process ${pid}`, error);
      await fs.promises.unlink(path);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function locked(directory: string, holder: string, cause: unknown): BrokerlessError {
  const message = `${directory} is being written by ${holder}; a journal has one writer, close that one or take another directory`;
  return new BrokerlessError("BROKERLESS_LOCKED", message, { cause });
}
