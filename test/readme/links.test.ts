/** What documents lead to: files, headings, pictures, npm scripts, records. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { documents, markdownIn, root, textOf } from "./workplace.ts";

const LINK = /\]\(([^)\s#]*)(?:#([^)\s]+))?[^)]*\)|\bsrc="([^"]+)"/g;

/** What GitHub makes of a heading, for those without two of the same text. */
export function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/ /g, "-");
}

function anchorsIn(markdown: string): Set<string> {
  const prose = markdown.replace(/^```.*?^```$/gms, "");
  return new Set([...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!)));
}

/** What a document links to in this repository, and the headings there. */
function linksIn(document: string): { readonly target: string; readonly anchor?: string }[] {
  const prose = textOf(document).replace(/^```.*?^```$/gms, "");
  return [...prose.matchAll(LINK)].flatMap(([, path, anchor, source]) => {
    const link = path || source || "";
    if (/^\w+:/.test(link)) return [];
    const target = link === "" ? document : normalize(join(dirname(document), link));
    return [{ target, ...(anchor === undefined ? {} : { anchor }) }];
  });
}

const PACKED: readonly string[] = JSON.parse(textOf("package.json")).files;

/** Whether a file or folder is in the published package, by `files` of package.json, folders and names alone. */
function isPacked(path: string): boolean {
  const under = (name: string) => path === name || path.startsWith(`${name}/`);
  const left = PACKED.filter((name) => name.startsWith("!"));
  return PACKED.some(under) && !left.some((name) => under(name.slice(1)));
}

for (const document of documents) {
  test(`${document}: its links lead somewhere`, () => {
    for (const { target, anchor } of linksIn(document)) {
      assert.ok(existsSync(join(root, target)), `${target} does not exist`);
      if (anchor === undefined || !target.endsWith(".md")) continue;
      assert.ok(anchorsIn(textOf(target)).has(anchor), `${target} has no heading #${anchor}`);
    }
  });

  test(`${document}: its links lead somewhere in the package too`, () => {
    assert.ok(isPacked(document), `${document} is not in the package`);
    for (const { target } of linksIn(document)) {
      assert.ok(isPacked(target), `${target} is not in the package`);
    }
  });

  test(`${document}: names no npm script that does not exist`, () => {
    const { scripts } = JSON.parse(textOf("package.json"));
    const known = ["ci", "exec", "init", "install", "pack", "pkg", ...Object.keys(scripts)];
    for (const code of codeIn(textOf(document))) {
      for (const [, script] of code.matchAll(/\bnpm (?:run )?(?:-s )?([a-z][\w:-]*)/g)) {
        assert.ok(known.includes(script!), `npm run ${script}`);
      }
    }
  });
}

/** Fenced blocks, and code within lines. */
function codeIn(markdown: string): string[] {
  const fenced = [...markdown.matchAll(/^```.*?^```$/gms)].map(([block]) => block);
  const rest = markdown.replace(/^```.*?^```$/gms, "");
  return [...fenced, ...[...rest.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)];
}

test("docs/README.md: names each document of docs/", () => {
  const links = new Set(
    [...textOf("docs/README.md").matchAll(/\]\(([^)#]+)/g)].map(([, link]) => join("docs", link!)),
  );
  for (const path of markdownIn("docs")) {
    assert.ok(links.has(path) || path.endsWith("README.md"), `${path} is missing`);
  }
});

test("docs/decisions/README.md: names each record once", () => {
  const records = markdownIn("docs/decisions").filter((path) => !path.endsWith("README.md"));
  const links = [...textOf("docs/decisions/README.md").matchAll(/\]\(([^)]+)\)/g)];
  assert.deepEqual(
    links.map(([, link]) => join("docs/decisions", link!)).sort(),
    [...records].sort(),
  );
});

test("links: a heading's anchor is what GitHub makes of it", () => {
  assert.equal(anchorOf("What `send` does, by level"), "what-send-does-by-level");
  assert.equal(anchorOf("Push with a `journal`: one_two"), "push-with-a-journal-one_two");
});

test("links: control: what the package does not have is known", () => {
  for (const path of ["examples", "test/run.ts", "docs/api", "docs/api/index.html", "library"]) {
    assert.ok(!isPacked(path), path);
  }
  for (const path of ["docs", "docs/README.md", "lib/index.ts", "SECURITY.md"]) {
    assert.ok(isPacked(path), path);
  }
});
