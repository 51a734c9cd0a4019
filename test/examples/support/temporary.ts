import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** @returns the path of a new directory that is gone after the test */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** @returns the path of a new file with that content, gone after the test */
export function temporaryFile(t: TestContext, name: string, content: string | Buffer): string {
  const path = join(temporaryDirectory(t), name);
  writeFileSync(path, content);
  return path;
}
