import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";
import { root } from "./consumer.ts";

/** What each folder of lib/ may import beside itself; `.` are the files in lib/ itself. */
const LOWER: Readonly<Record<string, readonly string[]>> = {
  ".": [],
  codec: ["."],
  batch: [".", "codec"],
  transport: ["."],
  journal: [".", "codec", "batch"],
  delivery: [".", "codec", "batch"],
  socket: [".", "codec", "batch", "journal", "transport", "socket/reliable"],
  "socket/reliable": [".", "codec", "batch", "journal", "delivery", "transport", "socket"],
  cli: [".", "codec", "batch", "journal", "delivery", "socket", "socket/reliable"],
  testing: [".", "batch", "journal"],
};

/** The public names, as patterns/ imports them. */
const PUBLIC = ["../lib/index.ts", "../lib/journal/index.ts"];

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function importsIn(folder: string): Import[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), "utf8");
      const found = text.matchAll(/^(?:import|export|\}).*?\bfrom "([^"]+)";$/gm);
      return [...found].map(([, specifier]) => ({ file, specifier: specifier! }));
    });
}

const own = importsIn("lib").filter(({ file }) => file !== "lib/index.ts");

test("layers: no file of lib/ imports from a higher folder", () => {
  assert.ok(own.length > 100, `only ${own.length} imports found`);
  for (const { file, specifier } of own) {
    if (!specifier.startsWith(".")) continue;
    const from = relative("lib", dirname(file)) || ".";
    const target = relative("lib", dirname(normalize(join(dirname(file), specifier)))) || ".";
    assert.ok(from in LOWER, `${file}: say in LOWER what lib/${from} may import`);
    const fits = target === from || LOWER[from]!.includes(target);
    assert.ok(fits, `${file} imports ${specifier}, which is not lower`);
  }
});

test("layers: transport/ alone imports zeromq", () => {
  const users = own.filter(({ specifier }) => specifier === "zeromq").map(({ file }) => file);
  assert.ok(users.length > 0);
  for (const file of users) assert.equal(dirname(file), "lib/transport");
});

test("layers: patterns/ imports public names only", () => {
  for (const { file, specifier } of importsIn("patterns")) {
    const fits = !specifier.startsWith("..") || PUBLIC.includes(specifier);
    assert.ok(fits, `${file} imports ${specifier}`);
  }
});
