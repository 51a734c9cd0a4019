import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { compile } from "./compile.ts";

/**
 * The command `brokerless`, compiled: tests start it dozens of times. Removed after the tests of the file.
 *
 * @returns the path for `node`
 */
export function compiledCommand(): string {
  const home = mkdtempSync(join(tmpdir(), "brokerless-"));
  after(() => rmSync(home, { recursive: true }));
  return join(compile(join(home, "build"), []), "lib/cli/main.js");
}
