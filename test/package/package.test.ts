import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Consumer, installPackage, root } from "./consumer.ts";

const DEPENDENCIES = ["@standard-schema/spec", "zeromq"];
/** Imported only by who asks for it, and installed by them. */
const OPTIONAL = ["lmdb"];
const ENTRIES = ["", "/journal", "/testing", "/patterns/pipeline", "/patterns/work-queue"];

let consumer: Consumer;
before(async () => {
  consumer = await installPackage();
});
after(() => consumer?.remove());

function installed(): string {
  return join(consumer.folder, "node_modules", "brokerless");
}

function filesOf(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

function tool(name: string): string {
  return join(root, "node_modules", ".bin", name);
}

test("package: depends on zeromq and the Standard Schema types, and nothing else", () => {
  const manifest = JSON.parse(readFileSync(join(installed(), "package.json"), "utf8"));
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), DEPENDENCIES);
  assert.deepEqual(Object.keys(manifest.peerDependencies), OPTIONAL);
  for (const name of OPTIONAL) assert.equal(manifest.peerDependenciesMeta[name].optional, true);
  assert.equal(manifest.optionalDependencies, undefined);
  assert.equal(manifest.bundleDependencies, undefined);
});

test("package: every module it imports is its own, Node's, or a dependency", () => {
  const allowed = new Set([...DEPENDENCIES, ...OPTIONAL]);
  const files = [...filesOf(installed(), ".js"), ...filesOf(installed(), ".d.ts")];
  assert.ok(files.length > 50, `only ${files.length} files`);
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    for (const [, specifier] of text.matchAll(/^(?:import|export|\}).*?\bfrom "([^"]+)";$/gm)) {
      const isOwn = /^\.{1,2}\/.*\.js$/.test(specifier!);
      const isNode = specifier!.startsWith("node:") && isBuiltin(specifier!);
      assert.ok(isOwn || isNode || allowed.has(specifier!), `${file} imports ${specifier}`);
    }
  }
});

test("package: holds no sources, tests or lock file", () => {
  const names = readdirSync(installed()).sort();
  assert.deepEqual(names, ["CHANGELOG.md", "LICENSE", "README.md", "dist", "docs", "package.json"]);
});

test("package: an ES module pushes, pulls and asks, though install scripts were blocked", async () => {
  const { stdout } = await consumer.run(process.execPath, "plain.mjs");
  assert.equal(stdout, "{ answer: 42 }\nINSTALLED\n");
});

test("package: an ES module keeps a journal, without lmdb, and the command reads it", async () => {
  assert.ok(!existsSync(join(consumer.folder, "node_modules", "lmdb")));
  const { stdout } = await consumer.run(process.execPath, "journal.mjs");
  assert.equal(stdout, "1 written\nfunction function\n");
  const read = await consumer.run("npx", "brokerless", "journal", "read", "kept");
  assert.deepEqual(JSON.parse(read.stdout), { seq: 1, text: "written" });
});

test("package: CommonJS requires it", async () => {
  const { stdout } = await consumer.run(process.execPath, "required.cjs");
  assert.equal(stdout, "open function\nclosed\n");
});

for (const [module, moduleResolution] of [
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
]) {
  test(`package: a strict TypeScript program compiles, resolving like ${moduleResolution}`, async () => {
    const options = {
      target: "es2022",
      lib: "es2023,esnext.disposable",
      module: module!,
      moduleResolution: moduleResolution!,
      typeRoots: join(root, "node_modules", "@types"),
      types: "node",
    };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    await consumer.run(tool("tsc"), "--noEmit", "--strict", ...flags, "typed.ts");
  });
}

test("package: publint finds nothing", async () => {
  const { stdout } = await consumer.run(tool("publint"), "run", consumer.tarball, "--strict");
  assert.match(stdout, /All good!/);
});

test("package: the types are right, for every entry and way to resolve them", async () => {
  const flags = ["--profile", "esm-only", "--no-definitely-typed", "--format", "ascii"];
  const { stdout } = await consumer.run(tool("attw"), consumer.tarball, ...flags);
  for (const entry of ENTRIES) {
    const right = `\n"brokerless${entry}"\n\nnode16 (from ESM): 🟢 (ESM)\nbundler: 🟢`;
    assert.ok(stdout.includes(right), stdout);
  }
});
