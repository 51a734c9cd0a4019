import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { root } from "./consumer.ts";

/** Words that were others' names for a request and its reply: one word for each thing, in public. */
const FORBIDDEN = /question|answer|inquir/i;
const INDEXES = ["lib/index.ts", "lib/journal/index.ts", "lib/testing/index.ts"];

const read = (path: string): string => readFileSync(join(root, path), "utf8");

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

/** The files whose names are public, and the patterns. */
function publicFiles(): string[] {
  const named = INDEXES.flatMap((index) =>
    [...read(index).matchAll(/from "(.+?)"/g)].map(([, to]) =>
      normalize(join(dirname(index), to!)),
    ),
  );
  return [...new Set([...INDEXES, ...named, ...files("patterns")])].sort();
}

/** Docstrings, and names that are not private, line by line. */
function publicLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.replaceAll(/#\w+/g, ""))
    .filter(
      (line) => /^\s*(?:\/\*\*|\*)/.test(line) || /^\s*(?:export|readonly|get|static)\b/.test(line),
    );
}

/** What stands in quotes: texts of errors and events, names of codes. Imports left out. */
function texts(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "").replaceAll(/from ".*?"/g, "");
  return [...code.matchAll(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\\n]|\\.)*`/g)].map(([text]) => text);
}

test("words: nothing public says anything but request and reply", () => {
  const found = publicFiles().flatMap((path) =>
    publicLines(read(path))
      .filter((line) => FORBIDDEN.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
  assert.deepEqual(found, []);
});

test("words: no text that a program can show says anything but request and reply", () => {
  const found = [...files("lib"), ...files("patterns")].flatMap((path) =>
    texts(read(path))
      .filter((text) => FORBIDDEN.test(text))
      .map((text) => `${path}: ${text}`),
  );
  assert.deepEqual(found, []);
});

test("words: the documents say request and reply", () => {
  const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const found = ["README.md", ...docs.map((name) => join("docs", name))].flatMap((path) =>
    read(path)
      .split("\n")
      .filter((line) => FORBIDDEN.test(line))
      .map((line) => `${path}: ${line.slice(0, 120)}`),
  );
  assert.deepEqual(found, []);
});

test("words: control: a docstring, a name, and a text are found", () => {
  const source =
    '/** The answer. */\nexport const x = 1;\n// An answer.\nthrow new Error("no answers");';
  assert.deepEqual(
    publicLines(source).filter((line) => FORBIDDEN.test(line)),
    ["/** The answer. */"],
  );
  assert.match(publicLines("  readonly answerSchema: number;").join(), FORBIDDEN);
  assert.deepEqual(
    texts(source).filter((text) => FORBIDDEN.test(text)),
    ['"no answers"'],
  );
});
