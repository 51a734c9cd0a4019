import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./consumer.ts";

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  /** Of a workspace of ours, for which there is a link and an entry of its folder. */
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const packages = Object.entries(lock.packages as Readonly<Record<string, LockedPackage>>);

test("lock file: holds what every platform needs, since npm ci refuses it otherwise", () => {
  const locked = new Set(packages.map(([path]) => path.split("node_modules/").at(-1)!));
  for (const [path, { dependencies, optionalDependencies }] of packages) {
    const wanted = Object.keys({ ...dependencies, ...optionalDependencies });
    const missing = wanted.filter((name) => !locked.has(name));
    assert.deepEqual(missing, [], `needed by ${path === "" ? "the package" : path}`);
  }
});

test("lock file: names no registry, and the hash of every package", () => {
  for (const [path, { resolved, integrity, link }] of packages) {
    const isOurs = link === true || !path.includes("node_modules/");
    if (isOurs) continue;
    assert.equal(resolved, undefined, path);
    assert.match(integrity ?? "", /^sha512-/, path);
  }
});
