import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Push } from "../lib/index.ts";
import { FileJournal } from "../lib/journal/index.ts";
import { assertNode } from "../lib/runtime.ts";
import { ROLES } from "./support/roles.ts";

/** Lets the process say that it is another runtime, for this test. */
function pretend(t: TestContext, other: Readonly<Record<string, string>>): void {
  const versions = Object.getOwnPropertyDescriptor(process, "versions")!;
  const value = { ...process.versions, ...other };
  Object.defineProperty(process, "versions", { ...versions, value });
  t.after(() => Object.defineProperty(process, "versions", versions));
}

test("runtime: Bun and Deno are refused by name and version, Node and Electron are not", () => {
  const { node } = process.versions;
  for (const [versions, name] of [
    [{ node, bun: "1.4.5" }, "Bun 1.4.5"],
    [{ node, deno: "2.9.6" }, "Deno 2.9.6"],
  ] as const) {
    assert.throws(() => assertNode("a socket", versions), {
      code: "BROKERLESS_UNSUPPORTED",
      retryable: false,
      message: new RegExp(`^a socket needs Node\\.js, and this is ${name}, .*docs/runtimes\\.md$`),
    });
  }
  assertNode("a socket", { node, electron: "40.0.0" });
  assertNode("a socket");
});

test("runtime: each role is refused at construction, reliable ones too", (t) => {
  pretend(t, { bun: "1.4.5" });
  const refusal = { code: "BROKERLESS_UNSUPPORTED" };
  for (const { make } of ROLES) assert.throws(() => make(), refusal);
  assert.throws(() => new Push({ reliable: true }), refusal);
});

test("runtime: a journal on a disk is refused before its lock is loaded", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "brokerless-runtime-"));
  t.after(() => rm(directory, { recursive: true }));
  pretend(t, { deno: "2.9.6" });
  await assert.rejects(FileJournal.open(directory), {
    code: "BROKERLESS_UNSUPPORTED",
    message: /^a journal on a disk needs Node\.js/,
  });
});
