import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";
import { root } from "./consumer.ts";

/** What each folder of lib/ may import beside itself; `.` are the files in lib/ itself. From the bottom up. */
const LOWER: Readonly<Record<string, readonly string[]>> = {
  ".": [],
  codec: ["."],
  "codec/msgpack": [".", "codec"],
  "batch/framing": [".", "codec"],
  batch: [".", "batch/framing", "codec"],
  "transport/native": ["."],
  "transport/monitor": [".", "transport/native"],
  "transport/inproc": ["transport/native"],
  "transport/curve": [".", "transport/native"],
  "transport/gate": [".", "transport/curve", "transport/monitor", "transport/native"],
  transport: [
    ".",
    "transport/curve",
    "transport/gate",
    "transport/inproc",
    "transport/monitor",
    "transport/native",
  ],
  "journal/disk": ["."],
  "journal/format": [".", "batch", "journal/disk"],
  "journal/commit": [".", "batch", "journal/format"],
  journal: [".", "batch", "journal/commit", "journal/format"],
  "journal/segment": [".", "batch", "journal", "journal/commit", "journal/disk", "journal/format"],
  "journal/recovery": [
    ".",
    "batch",
    "journal",
    "journal/disk",
    "journal/format",
    "journal/segment",
  ],
  "journal/file": [
    ".",
    "journal",
    "journal/commit",
    "journal/disk",
    "journal/format",
    "journal/recovery",
    "journal/segment",
  ],
  "journal/lmdb": [".", "batch", "journal", "journal/commit", "journal/disk", "journal/format"],
  "journal/backup": [
    ".",
    "journal",
    "journal/disk",
    "journal/file",
    "journal/format",
    "journal/recovery",
    "journal/segment",
  ],
  "delivery/range": [],
  "delivery/attempts": ["delivery/range"],
  "delivery/protocol": [".", "batch", "delivery/range"],
  "delivery/consumers": ["delivery/attempts", "delivery/range"],
  "delivery/dispatch": [
    ".",
    "delivery/attempts",
    "delivery/consumers",
    "delivery/protocol",
    "delivery/range",
  ],
  "delivery/window": ["delivery/protocol", "delivery/range"],
  delivery: [],
  "delivery/saved": [
    ".",
    "delivery",
    "delivery/attempts",
    "delivery/dispatch",
    "delivery/protocol",
    "delivery/range",
    "delivery/window",
  ],
  "core/queue": [".", "batch"],
  "core/events": [".", "core/queue", "delivery/dispatch"],
  core: [
    ".",
    "batch",
    "batch/framing",
    "codec",
    "codec/msgpack",
    "core/events",
    "core/queue",
    "transport",
    "transport/curve",
    "transport/monitor",
    "transport/native",
  ],
  plain: [
    ".",
    "batch",
    "batch/framing",
    "codec",
    "core",
    "core/queue",
    "delivery/protocol",
    "plain/round",
    "transport/native",
  ],
  "plain/request": [
    ".",
    "batch",
    "batch/framing",
    "codec",
    "core",
    "core/events",
    "core/queue",
    "delivery/protocol",
    "plain",
    "transport",
    "transport/native",
  ],
  "plain/round": [".", "batch", "core/queue", "transport/native"],
  "plain/topic": ["."],
  "plain/fresh": [".", "core/queue"],
  "plain/gap": [".", "plain/topic"],
  reliable: [
    ".",
    "batch",
    "core",
    "core/events",
    "delivery/dispatch",
    "delivery/protocol",
    "delivery/range",
    "delivery/saved",
    "journal",
  ],
  "reliable/link": [".", "core", "delivery/protocol", "transport"],
  "reliable/outbound": [
    ".",
    "batch",
    "codec",
    "core",
    "core/queue",
    "delivery/dispatch",
    "delivery/range",
    "journal",
    "reliable",
  ],
  "reliable/sender/saved": [
    ".",
    "batch",
    "delivery/dispatch",
    "delivery/range",
    "journal",
    "reliable",
    "reliable/outbound",
  ],
  "reliable/sender": [
    ".",
    "batch",
    "codec",
    "core",
    "core/events",
    "core/queue",
    "delivery/consumers",
    "delivery/dispatch",
    "delivery/protocol",
    "delivery/range",
    "journal",
    "reliable",
    "reliable/link",
    "reliable/outbound",
    "reliable/sender/saved",
    "transport",
  ],
  "reliable/receiver/sessions": [
    ".",
    "batch",
    "core/events",
    "delivery/protocol",
    "delivery/range",
    "delivery/saved",
    "delivery/window",
    "journal",
    "reliable/link",
    "transport",
  ],
  "reliable/receiver": [
    ".",
    "batch",
    "codec",
    "core",
    "core/events",
    "core/queue",
    "delivery/attempts",
    "delivery/protocol",
    "delivery/range",
    "delivery/window",
    "reliable",
    "reliable/link",
    "reliable/receiver/sessions",
    "transport",
  ],
  socket: [
    ".",
    "batch",
    "batch/framing",
    "core",
    "core/events",
    "core/queue",
    "delivery/protocol",
    "plain",
    "plain/fresh",
    "plain/gap",
    "plain/request",
    "plain/round",
    "plain/topic",
    "reliable",
    "reliable/receiver",
    "reliable/sender",
    "transport",
    "transport/native",
  ],
  cli: [
    ".",
    "batch",
    "codec",
    "codec/msgpack",
    "delivery/protocol",
    "journal",
    "journal/backup",
    "journal/file",
    "journal/recovery",
    "reliable",
    "socket",
  ],
  testing: [".", "batch", "journal"],
};

/** The public names, as patterns/ imports them. */
const PUBLIC = ["../lib/index.ts", "../lib/journal/index.ts"];
/** They list public names of all folders, and belong to none. */
const LISTS = ["lib/index.ts", "lib/journal/index.ts"];
/** Files of a folder of lib/ (count): more are two folders. */
const FILES_MAX = 15;

interface Import {
  readonly file: string;
  readonly specifier: string;
}

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function importsIn(folder: string): Import[] {
  return filesIn(folder).flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    const found = text.matchAll(/^(?:import|export|\}).*?\bfrom "([^"]+)";$/gm);
    return [...found].map(([, specifier]) => ({ file, specifier: specifier! }));
  });
}

const own = importsIn("lib").filter(({ file }) => !LISTS.includes(file));

/** @returns the nodes of a circle, in order; null: there is none. Pure. */
function circle(edges: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const walk = (node: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(node)) return [...way.slice(way.indexOf(node)), node];
    if (done.has(node)) return null;
    for (const next of edges.get(node) ?? []) {
      const found = walk(next, [...way, node]);
      if (found !== null) return found;
    }
    done.add(node);
    return null;
  };
  for (const node of edges.keys()) {
    const found = walk(node, []);
    if (found !== null) return found;
  }
  return null;
}

test("layers: no file of lib/ imports from a folder that its own may not import", () => {
  assert.ok(own.length > 100, `only ${own.length} imports found`);
  for (const { file, specifier } of own) {
    if (!specifier.startsWith(".")) continue;
    const from = relative("lib", dirname(file)) || ".";
    const target = relative("lib", dirname(normalize(join(dirname(file), specifier)))) || ".";
    assert.ok(from in LOWER, `${file}: say in LOWER what lib/${from} may import`);
    const fits = target === from || LOWER[from]!.includes(target);
    assert.ok(fits, `${file} imports ${specifier}, which lib/${from} may not`);
  }
});

test("layers: what folders may import has no circle, and is used", () => {
  assert.equal(circle(new Map(Object.entries(LOWER))), null);
  const used = new Set(
    own.map(({ file, specifier }) => {
      const target = dirname(normalize(join(dirname(file), specifier)));
      return `${relative("lib", dirname(file)) || "."} -> ${relative("lib", target) || "."}`;
    }),
  );
  for (const [folder, lower] of Object.entries(LOWER)) {
    for (const name of lower) assert.ok(used.has(`${folder} -> ${name}`), `${folder}: ${name}`);
  }
});

test("layers: no files of lib/ import each other in a circle, types included", () => {
  const edges = new Map<string, string[]>();
  for (const { file, specifier } of own) {
    if (!specifier.startsWith(".")) continue;
    edges.set(file, [...(edges.get(file) ?? []), normalize(join(dirname(file), specifier))]);
  }
  assert.equal(circle(edges), null);
});

test("layers: control: a circle is found", () => {
  const edges = new Map([
    ["a", ["b", "c"]],
    ["b", []],
    ["c", ["d"]],
    ["d", ["b", "c"]],
  ]);
  assert.deepEqual(circle(edges), ["c", "d", "c"]);
});

test(`layers: no folder of lib/ has more than ${FILES_MAX} files`, () => {
  const counts = new Map<string, number>();
  for (const file of filesIn("lib")) {
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  for (const [folder, count] of counts) {
    assert.ok(count <= FILES_MAX, `${folder} has ${count} files`);
  }
});

test("layers: transport/ alone imports zeromq", () => {
  const users = own.filter(({ specifier }) => specifier === "zeromq").map(({ file }) => file);
  assert.ok(users.length > 0);
  for (const file of users) assert.match(file, /^lib\/transport\//);
});

test("layers: codec/msgpack/ alone imports msgpackr, and of it the build without eval and addon", () => {
  const users = own.filter(({ specifier }) => specifier.startsWith("msgpackr"));
  assert.ok(users.length > 0);
  for (const { file, specifier } of users) {
    assert.match(file, /^lib\/codec\/msgpack\//);
    assert.equal(specifier, "msgpackr/index-no-eval", file);
  }
});

test("layers: patterns/ imports public names only", () => {
  for (const { file, specifier } of importsIn("patterns")) {
    const fits = !specifier.startsWith("..") || PUBLIC.includes(specifier);
    assert.ok(fits, `${file} imports ${specifier}`);
  }
});
