import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Compiles the library, and tests of it where asked: a process that is started hundreds of times
 * begins in some 100 ms, not in a second.
 *
 * @param outDir a directory that is not there yet
 * @param tests folders or files below test/
 * @returns `outDir`, with lib/ and test/ below it
 */
export function compile(outDir: string, tests: readonly string[]): string {
  mkdirSync(outDir, { recursive: true });
  const options = {
    rootDir: ROOT,
    outDir,
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    typeRoots: [join(ROOT, "node_modules/@types")],
  };
  const config = {
    extends: join(ROOT, "tsconfig.build.json"),
    compilerOptions: options,
    include: ["lib", ...tests.map((name) => join("test", name))].map((name) => join(ROOT, name)),
  };
  const project = join(outDir, "tsconfig.json");
  writeFileSync(project, JSON.stringify(config));
  writeFileSync(join(outDir, "package.json"), '{ "type": "module" }');
  symlinkSync(join(ROOT, "node_modules"), join(outDir, "node_modules"));
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const { status, stdout } = spawnSync(tsc, ["-p", project], { encoding: "utf8", cwd: ROOT });
  assert.equal(status, 0, stdout);
  return outDir;
}
