/** The programs of all documents: those that run by themselves are run, and all are compiled. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { blocksOf, sessionsOf, snippetsOf } from "./snippets.ts";
import { documents, makeWorkplace, root, textOf } from "./workplace.ts";

const run = promisify(execFile);
/** What zeromq.js says at the end of a process whose sockets linger for longer than it likes: on a busy machine. */
const SLOW_EXIT = /^.*Waiting for queued ZeroMQ messages.*\n?/gm;
/** Languages of blocks that no test runs or compiles, since they are no programs of ours. */
const SHOWN = ["", "sh", "text", "console", "mermaid", "yaml", "dockerfile", "json"];
const { folder, tsconfig, env } = makeWorkplace();

for (const document of documents) {
  const stem = document.replace(/\W/g, "-");
  for (const { line, language, code, output, compileOnly } of snippetsOf(textOf(document))) {
    const program = join(folder, `${stem}-${line}.${language === "js" ? "mjs" : "ts"}`);
    writeFileSync(program, code);
    if (compileOnly) continue;

    test(`${document}: the program at line ${line} runs and prints what is said`, async () => {
      const args = ["--import", import.meta.resolve("tsx"), program];
      const { stdout, stderr } = await run(process.execPath, args, {
        ...{ cwd: folder, env, timeout: WATCHDOG_MS },
      });
      assert.equal(stderr.replaceAll(SLOW_EXIT, ""), "");
      if (output !== null) assert.equal(stdout, output);
    });
  }

  test(`${document}: a program that no other test runs or compiles is in no block`, () => {
    for (const { line, language, mark } of blocksOf(textOf(document))) {
      assert.ok(["ts", "js", ...SHOWN].includes(language), `line ${line}: ${language}`);
      const isMarked = mark === "" || (mark === "compile" && language === "ts");
      assert.ok(isMarked, `line ${line}: ${mark}`);
    }
  });

  for (const [index, { files }] of sessionsOf(textOf(document)).entries()) {
    const subfolder = join(folder, `${stem}-${index}`);
    mkdirSync(subfolder);
    for (const [name, code] of files) writeFileSync(join(subfolder, name), code);
  }
}

test("the programs of all documents are well typed", async () => {
  const tsc = join(root, "node_modules", ".bin", "tsc");
  await run(tsc, ["-p", tsconfig], { timeout: WATCHDOG_MS }).catch(
    (error: Error & { stdout: string }) => assert.fail(error.stdout),
  );
});

const fence = "```";

test("snippets: output belongs to the program right before it, and to no other", () => {
  const markdown = [
    `${fence}ts\na\n${fence}\n\n${fence}text\nA\n${fence}`,
    `${fence}sh\nx\n${fence}\n${fence}text\nX\n${fence}`,
    `${fence}ts compile\nb\n${fence}\nwords\n${fence}text\nB\n${fence}`,
  ].join("\n");
  assert.deepEqual(snippetsOf(markdown), [
    { line: 2, language: "ts", code: "a\n", output: "A\n", compileOnly: false },
    { line: 15, language: "ts", code: "b\n", output: null, compileOnly: true },
  ]);
});

test("snippets: files and terminals of a section belong together, and are no programs by themselves", () => {
  const markdown = [
    `## One\n${fence}js\n// a.mjs\na\n${fence}\n${fence}console\n$ node a.mjs\nA\n^C\n${fence}`,
    `### Two\n${fence}js\n// b.mjs\nb\n${fence}\n## Three\n${fence}console\n$ node b.mjs\n${fence}`,
  ].join("\n");
  const [one, three] = sessionsOf(markdown);
  const line = 7;
  assert.deepEqual(one, {
    heading: "One",
    files: new Map([["a.mjs", "// a.mjs\na\n"]]),
    terminals: [{ line, command: "node a.mjs", output: "A\n", interrupted: true }],
  });
  assert.equal(three?.heading, "Three");
  assert.deepEqual([...three.files.keys()], ["a.mjs", "b.mjs"]);
  assert.deepEqual(snippetsOf(markdown), []);
});
