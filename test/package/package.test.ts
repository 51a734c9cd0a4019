import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type Consumer, installPackage, type Output, root } from "./consumer.ts";

const DEPENDENCIES = ["@standard-schema/spec", "fs-native-extensions", "msgpackr", "zeromq"];
/** Parts of dependencies that are imported by a path of their own. */
const PARTS = ["msgpackr/index-no-eval"];
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

test("package: depends on zeromq, msgpackr, the lock of files and the Standard Schema types, and nothing else", () => {
  const manifest = JSON.parse(readFileSync(join(installed(), "package.json"), "utf8"));
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), DEPENDENCIES);
  assert.deepEqual(Object.keys(manifest.peerDependencies), OPTIONAL);
  for (const name of OPTIONAL) assert.equal(manifest.peerDependenciesMeta[name].optional, true);
  assert.equal(manifest.optionalDependencies, undefined);
  assert.equal(manifest.bundleDependencies, undefined);
});

test("package: every module it imports is its own, Node's, or a dependency", () => {
  const allowed = new Set([...DEPENDENCIES, ...PARTS, ...OPTIONAL]);
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

test("package: holds the sources that its maps lead to, and no tests or lock file", () => {
  const names = readdirSync(installed()).sort();
  assert.deepEqual(names, [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "dist",
    "docs",
    "lib",
    "package.json",
    "patterns",
  ]);
});

test("package: each file of code has a map, and each map leads to a source that is there", () => {
  const dist = join(installed(), "dist");
  const code = [...filesOf(dist, ".js"), ...filesOf(dist, ".d.ts")];
  assert.ok(code.length > 100, `only ${code.length} files`);
  for (const file of code) {
    const map = JSON.parse(readFileSync(`${file}.map`, "utf8"));
    const [, named] = readFileSync(file, "utf8").match(/^\/\/# sourceMappingURL=(.+)$/m) ?? [];
    assert.equal(named, basename(`${file}.map`), file);
    for (const source of map.sources) {
      assert.ok(existsSync(join(dirname(file), source)), `${file} leads to ${source}`);
    }
  }
});

test("package: a stack leads to a line of the source", async () => {
  const program = 'import { Push } from "brokerless"; new Push({ nme: 1 })';
  const wrong = ["--enable-source-maps", "--input-type=module", "-e", program];
  const place = /brokerless\/lib\/options\.ts:\d+/;
  await assert.rejects(consumer.run(process.execPath, ...wrong), place);
  const [, ...unmapped] = wrong;
  const control = await consumer.run(process.execPath, ...unmapped).catch(String);
  assert.doesNotMatch(String(control), place);
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

test("package: CommonJS requires it, without a warning", async () => {
  const { stdout, stderr } = await consumer.run(process.execPath, "required.cjs");
  assert.deepEqual({ stdout, stderr }, { stdout: "open function\nclosed\n", stderr: "" });
});

for (const [module, moduleResolution, program] of [
  ["nodenext", "nodenext", "typed.ts"],
  ["esnext", "bundler", "typed.ts"],
  ["node20", "node16", "typed-required.cts"],
  ["commonjs", "bundler", "typed-required.cts"],
]) {
  test(`package: a strict TypeScript program compiles to ${module}, resolving like ${moduleResolution}`, async () => {
    const options = {
      target: "es2022",
      lib: "es2023,esnext.disposable",
      module: module!,
      moduleResolution: moduleResolution!,
      typeRoots: join(root, "node_modules", "@types"),
      types: "node",
    };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    await consumer.run(tool("tsc"), "--noEmit", "--strict", ...flags, program!);
  });
}

const EXTERNAL = "--external:zeromq";
const BUNDLED = "pushed\n1 stored\n";

for (const format of ["esm", "cjs"]) {
  test(`package: a bundle in the format ${format} works where zeromq is external, journals too`, async () => {
    const file = `bundle-${format}.${format === "esm" ? "mjs" : "cjs"}`;
    const flags = ["--bundle", "--platform=node", `--format=${format}`, `--outfile=${file}`];
    const bundle = (...external: readonly string[]): Promise<Output> =>
      consumer.run(tool("esbuild"), "bundled.mjs", "--log-level=error", ...flags, ...external);
    await bundle(EXTERNAL);
    const { stdout } = await consumer.run(process.execPath, file);
    assert.equal(stdout, BUNDLED);
    await bundle();
    const said = /Dynamic require of "module"|Manifest file not found/;
    await assert.rejects(consumer.run(process.execPath, file), said);
  });
}

test("package: publint finds nothing", async () => {
  const { stdout } = await consumer.run(tool("publint"), "run", consumer.tarball, "--strict");
  assert.match(stdout, /All good!/);
});

test("package: the types are right, for every entry and way to resolve them", async () => {
  // CommonJS gets an ES module; every Node that is supported requires those.
  const flags = ["--ignore-rules", "cjs-resolves-to-esm", "--no-definitely-typed"];
  const { stdout } = await consumer.run(
    tool("attw"),
    consumer.tarball,
    ...flags,
    "--format",
    "ascii",
  );
  for (const entry of ENTRIES) {
    const [, ways = ""] = stdout.split(`\n"brokerless${entry}"\n\n`);
    for (const way of ["node10: 🟢", "node16 (from ESM): 🟢 (ESM)", "bundler: 🟢"]) {
      assert.ok(ways.split("\n***")[0]!.includes(way), stdout);
    }
  }
});
