import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  RELIABLE_RECEIVE_DEFAULTS,
  RELIABLE_SEND_DEFAULTS,
} from "../../lib/socket/reliable/options.ts";
import { snippetsOf } from "./snippets.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const documents = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...markdownIn("docs"),
  ...markdownIn("docs/decisions"),
];

const folder = mkdtempSync(join(tmpdir(), "brokerless-readme-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const tsconfig = join(folder, "tsconfig.json");
writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
writeFileSync(
  tsconfig,
  JSON.stringify({
    extends: join(root, "tsconfig.json"),
    // Programs import the package by its name; they get the sources.
    compilerOptions: { paths: sourcesOfEntries(), rootDir: "/" },
    include: ["*.ts"],
    exclude: [],
  }),
);

/** The source file behind each entry of the package: `./dist/lib/index.d.ts` is `lib/index.ts`. */
function sourcesOfEntries(): Record<string, string[]> {
  const exported = Object.entries<{ types?: string }>(JSON.parse(textOf("package.json")).exports);
  const paths = exported.flatMap(([entry, { types }]) => {
    const source = types?.replace(/^\.\/dist\//, "").replace(/\.d\.ts$/, ".ts");
    return source === undefined ? [] : [[entry.replace(/^\./, "brokerless"), [join(root, source)]]];
  });
  return Object.fromEntries(paths);
}

function markdownIn(path: string): string[] {
  return readdirSync(join(root, path))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(path, name));
}

function textOf(document: string): string {
  return readFileSync(join(root, document), "utf8");
}

for (const document of documents) {
  for (const { line, code, output } of snippetsOf(textOf(document))) {
    const program = join(folder, `${document.replace(/\W/g, "-")}-${line}.ts`);
    writeFileSync(program, code);

    test(`${document}: the program at line ${line} runs and prints what is said`, async () => {
      const env = { ...process.env, TSX_TSCONFIG_PATH: tsconfig };
      const args = ["--import", import.meta.resolve("tsx"), program];
      const options = { cwd: folder, env, timeout: 60_000 };
      const { stdout, stderr } = await run(process.execPath, args, options);
      assert.equal(stderr, "");
      if (output !== null) assert.equal(stdout, output);
    });
  }

  test(`${document}: its links lead somewhere`, () => {
    for (const [, link] of textOf(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(link!)) continue;
      assert.ok(existsSync(join(root, dirname(document), link!)), `${link} does not exist`);
    }
  });

  test(`${document}: names no npm script that does not exist`, () => {
    const { scripts } = JSON.parse(textOf("package.json"));
    for (const [, script] of textOf(document).matchAll(/\bnpm (?:run )?([a-z][\w:-]*)/g)) {
      const known = ["ci", "install", "pack", "package", ...Object.keys(scripts)];
      assert.ok(known.includes(script!), `npm run ${script}`);
    }
  });
}

test("docs/decisions/README.md: names each record once", () => {
  const records = markdownIn("docs/decisions").filter((path) => !path.endsWith("README.md"));
  const links = [...textOf("docs/decisions/README.md").matchAll(/\]\(([^)]+)\)/g)];
  assert.deepEqual(
    links.map(([, link]) => join("docs/decisions", link!)).sort(),
    [...records].sort(),
  );
});

test("README.md: the defaults of reliable sockets are those of the code", () => {
  const rows = textOf("README.md").matchAll(/^\| (`\w+`(?:, `\w+`)*) \| `\w+` \| ([^|]+) \|/gm);
  const said = new Map([...rows].map(([, names, value]) => [names!.replaceAll("`", ""), value]));
  const send = RELIABLE_SEND_DEFAULTS;
  const { prefetch, prefetchBytesMax } = RELIABLE_RECEIVE_DEFAULTS;
  const count = prefetch.toLocaleString("en-US");
  const seconds = (ms: number) => `${ms / 1_000} s`;
  for (const [names, value] of Object.entries({
    "prefetch, prefetchBytesMax": `${count}; ${prefetchBytesMax / 2 ** 20} MiB`,
    leaseMs: seconds(send.leaseMs),
    graceMs: seconds(send.graceMs),
    attemptsMax: `${send.attemptsMax}`,
    "retryMs, retryMsMax": `${seconds(send.retryMs)}; ${seconds(send.retryMsMax)}`,
    exclusive: `\`${send.exclusive}\``,
    full: `\`"${send.full}"\``,
  })) {
    assert.equal(said.get(names), value, names);
  }
});

test("the programs of all documents are well typed", async () => {
  const tsc = join(root, "node_modules", ".bin", "tsc");
  await run(tsc, ["-p", tsconfig], { timeout: 60_000 }).catch((error: Error & { stdout: string }) =>
    assert.fail(error.stdout),
  );
});

test("snippets: output belongs to the program right before it, and to no other", () => {
  const fence = "```";
  const markdown = [
    `${fence}ts\na\n${fence}\n\n${fence}text\nA\n${fence}`,
    `${fence}sh\nx\n${fence}\n${fence}text\nX\n${fence}`,
    `${fence}ts\nb\n${fence}\nwords\n${fence}text\nB\n${fence}`,
  ].join("\n");
  assert.deepEqual(snippetsOf(markdown), [
    { line: 2, code: "a\n", output: "A\n" },
    { line: 15, code: "b\n", output: null },
  ]);
});
