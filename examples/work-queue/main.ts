/**
 * Hashes the files of a folder: `npx tsx examples/work-queue/main.ts [FOLDER]`.
 *
 * The queue is a directory of this process; three worker processes take jobs from it. One of them gets SIGTERM
 * half-way: it finishes its jobs in flight, and the others do the rest.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Pull } from "../../lib/index.ts";
import { WorkQueue } from "../../patterns/work-queue.ts";
import { answerHelp } from "../../scripts/help.ts";
import { type FileHash, type FileJob, hashFile } from "./job.ts";

const WORKERS = 3;
/** Signals from the keyboard, from a supervisor, from a closed terminal: the program cleans up at each of them. */
const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const PROGRAM = fileURLToPath(new URL("./worker.ts", import.meta.url));

answerHelp(`usage: npx tsx examples/work-queue/main.ts [FOLDER]

Hashes the files of a folder with three worker processes, of which one is told to end in the middle.

FOLDER   (default: one of the installed packages)`);
try {
  await main(process.argv[2]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(folder: string | undefined): Promise<void> {
  const paths = await filesOf(resolve(folder ?? dataFolder()));
  const directory = await mkdtemp(join(tmpdir(), "brokerless-work-queue-"));
  const giveUp = (signal: NodeJS.Signals) => {
    rmSync(directory, { recursive: true, force: true });
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ENDINGS) process.once(signal, giveUp);
  try {
    const hashes = await hashAll(paths, directory);
    await check(paths, hashes);
  } finally {
    await rm(directory, { recursive: true });
    for (const signal of ENDINGS) process.off(signal, giveUp);
  }
}

/** @returns the hash of each path, as the workers computed it */
async function hashAll(paths: readonly string[], directory: string): Promise<Map<string, string>> {
  await using queue = await WorkQueue.open<FileJob>({ directory, bind: "tcp://127.0.0.1:*" });
  await using results = new Pull<FileHash>({ reliable: true });
  const sink = await results.bind("tcp://127.0.0.1:*");
  const workers = Array.from({ length: WORKERS }, () => fork(PROGRAM, [queue.addresses[0]!, sink]));
  try {
    const hashes = new Map<string, string>();
    let isTold = false;
    const running = results.run(({ path, sha256, pid }) => {
      // A repeated result has no second effect: it writes the same entry again.
      hashes.set(path, sha256);
      if (isTold || pid !== workers[0]!.pid) return;
      workers[0]!.kill("SIGTERM");
      isTold = true;
    });
    // Started again with the same directory, this would not add any file twice.
    await Promise.all(paths.map((path) => queue.add({ path }, { deduplicationId: path })));
    console.log(`${paths.length} files added`);
    await Promise.race([queue.finished(), failureOf(workers)]);
    await Promise.all(workers.map(dismiss));
    await results.close();
    await running;
    const { finished, dead } = queue.stats();
    console.log(`${finished} jobs finished, ${dead} of them dead`);
    return hashes;
  } finally {
    for (const worker of workers) worker.kill("SIGKILL");
  }
}

/** Hashes without queue and workers. @throws Error when the hashes differ */
async function check(paths: readonly string[], hashes: Map<string, string>): Promise<void> {
  for (const path of paths) {
    const [got, expected] = [hashes.get(path), await hashFile(path)];
    if (got !== expected) throw new Error(`${path}: ${got} instead of ${expected}`);
  }
  console.log(`check: one process finds the same ${hashes.size} hashes`);
}

async function dismiss(worker: ChildProcess): Promise<void> {
  if (worker.exitCode !== null) return;
  const ended = once(worker, "exit");
  // The one that was told before may still be busy with its end: a second signal would cut that short.
  if (!worker.killed) worker.kill("SIGTERM");
  await ended;
}

/** Rejects when a worker ends in another way than it was asked to. */
async function failureOf(workers: readonly ChildProcess[]): Promise<never> {
  return new Promise((_, reject) => {
    for (const worker of workers) {
      worker.once("exit", (code, signal) => {
        if (code !== 0) reject(new Error(`worker ${worker.pid} ended: ${signal ?? code}`));
      });
    }
  });
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name));
  if (files.length === 0) throw new Error(`${folder}: there are no files in it`);
  return files;
}

/** The folder of the sample data. The package of the data exports only its code; the data is next to it. */
function dataFolder(): string {
  const code = createRequire(import.meta.url).resolve("vega-datasets");
  return join(dirname(code), "../data");
}
