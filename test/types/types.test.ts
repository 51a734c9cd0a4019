import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const fixtures = join(root, "test", "types", "fixtures.ts");

/** Compiles one file with the project's own settings. @returns what the compiler says; empty if nothing */
function compile(t: TestContext, file: string): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-types-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const config = join(directory, "tsconfig.json");
  const settings = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { typeRoots: [join(root, "node_modules", "@types")] },
    include: [],
    files: [file],
  };
  writeFileSync(config, JSON.stringify(settings));
  const tsc = join(root, "node_modules", ".bin", "tsc");
  return spawnSync(tsc, ["-p", config], { encoding: "utf8", cwd: root }).stdout;
}

test("types: what must type-check does, and what must not does not", {
  timeout: WATCHDOG_MS,
}, (t) => {
  assert.equal(compile(t, fixtures), "");
});

test("types: control: without the expectations every forbidden line is an error", {
  timeout: WATCHDOG_MS,
}, (t) => {
  const text = readFileSync(fixtures, "utf8");
  const expected = text.match(/@ts-expect-error/g)?.length ?? 0;
  const file = join(dirname(fixtures), "forbidden.generated.ts");
  writeFileSync(file, text.replaceAll("@ts-expect-error", "forbidden:"));
  t.after(() => rmSync(file));
  const errors = compile(t, file).match(/error TS\d+/g)?.length ?? 0;
  assert.ok(expected > 15);
  assert.ok(errors >= expected, `${errors} errors for ${expected} forbidden lines`);
});
