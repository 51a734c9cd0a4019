import assert from "node:assert/strict";
import { type StdioOptions, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseCommand } from "../../lib/cli/arguments.ts";
import { helpFor } from "../../scripts/help.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** What is started by a name in package.json, or by hand, and takes arguments. */
const PROGRAMS = [
  "lib/cli/main.ts",
  "bench/main.ts",
  "bench/soak.ts",
  "bench/backlog.ts",
  "bench/crowd.ts",
  "test/run.ts",
  "test/simulate.ts",
  "test/bounds.ts",
  "test/runtimes/main.ts",
  "test/torture.ts",
  "examples/flights/main.ts",
  "examples/work-queue/main.ts",
];

function run(program: string, ...args: readonly string[]) {
  const argv = ["--import", "tsx", program, ...args];
  const options = { cwd: root, encoding: "utf8", timeout: WATCHDOG_MS } as const;
  return spawnSync(process.execPath, argv, options);
}

for (const program of PROGRAMS) {
  test(`help: ${program} says what it is for, and does nothing else`, () => {
    const { status, stdout, stderr } = run(program, "--help");
    assert.deepEqual([status, stderr], [0, ""]);
    assert.match(stdout, /^usage: .+\n/);
  });
}

// What the others are asked by the same function, whose answers are compared below.
test("help: the command says its version, and answers to the short flag too", () => {
  const [short, whole] = [run("lib/cli/main.ts", "-h"), run("lib/cli/main.ts", "--version")];
  assert.deepEqual([short.status, short.stderr], [0, ""]);
  assert.match(short.stdout, /^usage: .+\n/);
  assert.deepEqual([whole.status, whole.stdout, whole.stderr], [0, `${version}\n`, ""]);
});

for (const [program, ...args] of [
  ["lib/cli/main.ts", "--helpp"],
  ["lib/cli/main.ts"],
  ["bench/main.ts", "--helpp"],
  ["bench/soak.ts", "--helpp"],
  ["bench/crowd.ts", "--helpp"],
  ["bench/backlog.ts", "--helpp"],
  ["test/simulate.ts", "--helpp"],
  ["test/simulate.ts", "--seeds", "many"],
  ["test/torture.ts", "--helpp"],
  ["examples/flights/main.ts", "--helpp"],
] as const) {
  test(`help: control: ${[program, ...args].join(" ")} is refused without a stack`, () => {
    const { status, stdout, stderr } = run(program, ...args);
    assert.notEqual(status, 0);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /^ {4}at /m);
  });
}

test("help: of a subcommand its own part is shown, whatever else is said", () => {
  const textOf = (...argv: string[]) => {
    const command = parseCommand(argv);
    return command.topic === "print" ? command.text : "none";
  };
  const whole = textOf("--help");
  assert.match(whole, /journal inspect(.|\n)*dead-letters list/);
  for (const argv of [["-h"], ["help"], ["nonsense", "-h"], ["help", "nonsense"]]) {
    assert.equal(textOf(...argv), whole);
  }
  for (const argv of [
    ["journal", "--help"],
    ["journal", "inspect", "-h"],
    ["journal", "repair", "DIR", "--new-stream", "--help"],
    ["help", "journal"],
  ]) {
    assert.match(textOf(...argv), /journal inspect/);
    assert.doesNotMatch(textOf(...argv), /dead-letters/);
  }
  assert.match(textOf("dead-letters", "purge", "-h"), /^usage: brokerless dead-letters/);
  assert.equal(textOf("--version"), version);
  // A directory may have any name.
  const command = parseCommand(["journal", "inspect", "--", "--help"]);
  assert.deepEqual(command.topic === "journal" && command.directory, "--help");
  assert.equal(helpFor("usage", ["--", "--help"]), null);
  for (const flag of ["--help", "-h"]) assert.equal(helpFor("usage", ["part", flag]), "usage");
  assert.equal(helpFor("usage", ["--version"]), version);
});

test("help: of a directory that is not there, and of a file, each action says so in one line", (t) => {
  const home = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(home, { recursive: true }));
  const missing = join(home, "nothing");
  for (const args of [
    ["journal", "inspect", missing],
    ["journal", "verify", missing, "--json"],
    ["journal", "read", missing],
    ["journal", "repair", missing],
    ["journal", "backup", missing, join(home, "copy")],
    ["dead-letters", "list", missing],
    ["journal", "repair", fileURLToPath(import.meta.url)],
  ]) {
    const { status, stdout, stderr } = run("lib/cli/main.ts", ...args);
    assert.deepEqual([status, stdout], [1, ""], args.join(" "));
    const why = args.includes(missing) ? "there is no such directory" : "it is not a directory";
    assert.match(stderr, new RegExp(`^BROKERLESS_JOURNAL_FAILED: .*${why}\n$`));
    assert.ok(!existsSync(missing), `${args.join(" ")} has made it`);
  }
});

for (const [line, says] of [
  ["erase", /^no command "erase"\nusage: /],
  ["journal", /^journal: an action is missing\nusage: /],
  ["journal erase x", /^journal: no action "erase"\nusage: /],
  ["journal read", /^journal read: DIR is missing\nusage: /],
  ["journal backup x", /^journal backup: TO is missing\nusage: /],
  ["journal read x y", /^one word too many: "y"\nusage: /],
  ["journal inspect x --follow", /^journal inspect takes no --follow\nusage: /],
  ["journal verify x --from 2", /^journal verify takes no --from\nusage: /],
  ["journal read x --new-stream", /^journal read takes no --new-stream\nusage: /],
  ["dead-letters purge x", /^dead-letters purge: name the messages, or say --all\nusage: /],
  ["dead-letters purge x 1 --all", /^dead-letters purge: name the messages, or say --all\nusage: /],
  ["dead-letters list x --all", /^dead-letters list takes no --all\nusage: /],
  ["dead-letters list x 1", /^dead-letters list: one word too many: "1"\nusage: /],
  ["journal read x --frm", /^Unknown option '--frm'; see brokerless --help$/],
  ["journal read x --from", /^Option '--from <value>' argument missing; see brokerless --help$/],
] as const) {
  test(`help: "${line}" is answered by what is wrong with it, first`, () => {
    assert.throws(() => parseCommand(line.split(" ")), { name: "TypeError", message: says });
  });
}

test("help: where the output cannot be written, the command says why, with status 1", async (t) => {
  if (!existsSync("/dev/full")) return t.skip("no /dev/full");
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));
  const start = (...stdio: StdioOptions & unknown[]) =>
    spawnSync(process.execPath, ["--import", "tsx", "lib/cli/main.ts", "--help"], {
      cwd: root,
      encoding: "utf8",
      timeout: WATCHDOG_MS,
      stdio,
    });
  const { status, stderr } = start("ignore", full, "pipe");
  assert.equal(status, 1);
  assert.match(stderr, /^cannot write the output: .*ENOSPC.*\n$/);
  assert.equal(start("ignore", full, full).status, 1);
});
