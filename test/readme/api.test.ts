/** The API reference: every public name has a docstring, and every link in one leads somewhere. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { root } from "./workplace.ts";

const run = promisify(execFile);
const folder = join(root, "scripts", "api");
const manifest = createRequire(join(folder, "package.json")).resolve("typedoc/package.json");
const program = join(dirname(manifest), "bin", "typedoc");

/** @throws with what it printed, where TypeDoc finds anything to warn of */
async function typedoc(options: string): Promise<void> {
  const args = [program, "--emit", "none", "--options", options];
  try {
    await run(process.execPath, args, { cwd: dirname(options), timeout: WATCHDOG_MS });
  } catch (error) {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

test("api reference: each public name is documented, and no link leads nowhere", async () => {
  await typedoc(join(folder, "typedoc.json"));
});

for (const [lack, text, found] of [
  ["a name without a docstring", "export const a: number = 1;", /does not have any documentation/],
  ["a link that leads nowhere", "/** {@link Gone}. */\nexport const a: number = 1;", /Gone/],
] as const) {
  test(`api reference: control: ${lack} is found`, async (t) => {
    const temporary = mkdtempSync(join(tmpdir(), "brokerless-api-"));
    t.after(() => rmSync(temporary, { recursive: true }));
    const write = (name: string, content: object | string): void =>
      writeFileSync(
        join(temporary, name),
        typeof content === "string" ? content : JSON.stringify(content),
      );
    write("index.ts", `${text}\n`);
    write("tsconfig.json", { compilerOptions: { types: [] }, files: ["index.ts"] });
    const options = JSON.parse(readFileSync(join(folder, "typedoc.json"), "utf8"));
    write("typedoc.json", {
      ...options,
      ...{ entryPoints: ["index.ts"], tsconfig: "tsconfig.json", basePath: "." },
      // What is intended there is of names that are not here.
      ...{ intentionallyNotExported: [], intentionallyNotDocumented: [] },
    });
    await assert.rejects(typedoc(join(temporary, "typedoc.json")), found);
  });
}
