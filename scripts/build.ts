/** Compiles lib/ and patterns/ into dist/: ES modules and their declarations. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

// What was compiled from a file that is gone by now must not be published.
rmSync(dist, { recursive: true, force: true });
const args = [tsc, "-p", join(root, "tsconfig.build.json")];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

/** A relative path to a TypeScript file, where a declaration names a module. */
const SPECIFIER = /((?:\bfrom|\bimport)\s*\(?\s*")(\.{1,2}\/[^"]*)\.ts"/g;

// The compiler rewrites the imports of modules, and leaves those of declarations as they were.
for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  if (!name.endsWith(".d.ts")) continue;
  const path = join(dist, name);
  const text = readFileSync(path, "utf8");
  const rewritten = text.replace(SPECIFIER, '$1$2.js"');
  if (rewritten !== text) writeFileSync(path, rewritten);
}
