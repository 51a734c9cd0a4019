/**
 * Runs the test files with Node's own runner: all of them, or those whose path contains an argument; but none
 * whose path contains an argument after its "!".
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const wanted = process.argv.slice(2).filter((part) => !part.startsWith("!"));
const unwanted = process.argv.filter((part) => part.startsWith("!")).map((part) => part.slice(1));
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .filter((name) => !unwanted.some((part) => name.includes(part)))
  .map((name) => join(root, name))
  .sort();

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(" ")}`);
  process.exit(1);
}

const args = ["--import", "tsx", "--test", "--test-concurrency=2", ...files];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
process.exit(status ?? 1);
