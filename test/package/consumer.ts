import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const run = promisify(execFile);

/** The folder of this repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));
const programs = fileURLToPath(new URL("programs", import.meta.url));

/** What is not needed to pack, and may change meanwhile. */
const LEFT = [
  ...[".git", "bench", "dist", "examples", "node_modules", "test"],
  ...["docs/api", "scripts/api/node_modules"],
];

/** What npm may take for hundreds of packages over a slow line (milliseconds): only a hang reaches it. */
const INSTALL_MS_MAX = 1_800_000;

/** What a program printed. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder outside the repository in which the package is installed as anyone would install it. */
export interface Consumer {
  readonly folder: string;
  readonly tarball: string;
  /**
   * Runs a program in the folder.
   *
   * @returns what it printed
   * @throws when its exit code is not zero; the message holds what it printed
   */
  run(file: string, ...args: readonly string[]): Promise<Output>;
  remove(): Promise<void>;
}

/**
 * Packs the package, and installs it into a new folder with its install scripts blocked.
 *
 * @param from programs that use it; with a package.json of their own, what that names is installed too
 */
export async function installPackage(from: string = programs): Promise<Consumer> {
  const temporary = await mkdtemp(join(tmpdir(), "brokerless-package-"));
  const remove = (): Promise<void> => rm(temporary, { recursive: true, force: true });
  try {
    const tarball = await pack(temporary);
    const folder = join(temporary, "consumer");
    await cp(from, folder, { recursive: true });
    const manifest = join(folder, "package.json");
    if (!existsSync(manifest)) await writeFile(manifest, '{ "private": true, "type": "module" }\n');
    const quiet = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    await runIn(folder, "npm", ["install", ...quiet, tarball]);
    const runHere = (file: string, ...args: readonly string[]): Promise<Output> =>
      runIn(folder, file, args);
    return { folder, tarball, run: runHere, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Packs a copy, so that a build for a test never meets another build of the same folder. */
async function pack(temporary: string): Promise<string> {
  const copy = join(temporary, "source");
  const left = new Set(LEFT.map((name) => join(root, name)));
  await mkdir(copy);
  await cp(root, copy, { recursive: true, filter: (path) => !left.has(path) });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const { stdout } = await runIn(copy, "npm", [
    "pack",
    "--silent",
    "--pack-destination",
    temporary,
  ]);
  return join(temporary, basename(stdout.trim().split("\n").at(-1)!));
}

async function runIn(folder: string, file: string, args: readonly string[]): Promise<Output> {
  try {
    return await run(file, args, {
      cwd: folder,
      timeout: file === "npm" ? INSTALL_MS_MAX : WATCHDOG_MS,
    });
  } catch (error) {
    const { message, stdout } = error as Error & Output;
    throw new Error(`${message}\n${stdout}`, { cause: error });
  }
}
