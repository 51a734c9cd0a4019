/** A command, or several one after the other, and what the last of them has to print. */
export interface Case {
  /** What is tried, with its version. */
  readonly tool: string;
  readonly what: string;
  /** The first word is `node`, or the path of a program below node_modules. */
  readonly commands: readonly (readonly string[])[];
  readonly prints: RegExp;
  /** Whether the last command has to fail. */
  readonly fails?: boolean;
}

/** What is no part of a bundle: it is native, or looks for something native beside itself. */
const EXTERNAL = ["zeromq"];
const JEST = "node_modules/jest/bin/jest.js";
const VM_MODULES = "--experimental-vm-modules";
const EXCHANGED = /^exchanged 42\n$/;
const REFUSED = /^kept\nrefused with BROKERLESS_UNSUPPORTED\n$/;
const TESTED = /Tests: +1 passed/;

/**
 * All that is tried, in the order of docs/runtimes.md.
 *
 * @param versions of the packages in programs/package.json, by name
 */
export function casesOf(versions: Readonly<Record<string, string>>): readonly Case[] {
  const version = (name: string): string => versions[name]!.replace(/^npm:.*@/, "");
  const node20 = "node_modules/node-20/bin/node";
  const node24 = "node_modules/node-24/bin/node";
  return [
    ...casesOfNode("node", process.versions.node),
    ...casesOfNode(node20, version("node-20")),
    ...casesOfNode(node24, version("node-24")),
    ...["esbuild", "rollup", "vite", "webpack"].flatMap((tool) =>
      casesOfBundler(tool, version(tool)),
    ),
    ...casesOfTypeScript("typescript-5", version("typescript-5")),
    ...casesOfTypeScript("typescript", version("typescript")),
    ...["forks", "threads"].map((pool) => ({
      tool: `vitest ${version("vitest")}`,
      what: `pool ${pool}`,
      commands: [
        [node24, "node_modules/vitest/vitest.mjs", "run", "vitest.test", `--pool=${pool}`],
      ],
      prints: /Tests +\S*1 passed/,
    })),
    ...casesOfJest(`jest ${version("jest")}`, node24),
    {
      tool: `bun ${version("@oven/bun-linux-x64")}`,
      what: "imports, MemoryJournal; sockets and journals on a disk are refused",
      commands: [["node_modules/@oven/bun-linux-x64/bin/bun", "refused.mjs"]],
      prints: REFUSED,
    },
    {
      tool: `deno ${version("@deno/linux-x64-glibc")}`,
      what: "imports, MemoryJournal; sockets and journals on a disk are refused",
      commands: [["node_modules/@deno/linux-x64-glibc/deno", "run", "-A", "refused.mjs"]],
      prints: REFUSED,
    },
  ];
}

function casesOfNode(node: string, version: string): Case[] {
  const tool = `node ${version}`;
  return [
    { tool, what: "ES modules", commands: [[node, "exchange.mjs"]], prints: EXCHANGED },
    {
      tool,
      what: "require, without a warning",
      commands: [[node, "required.cjs"]],
      prints: /^required function function\n$/,
    },
    {
      tool,
      what: "worker_threads, child_process",
      commands: [[node, "threads.mjs"]],
      prints: /^a thread and a child sent 0\n$/,
    },
  ];
}

function casesOfBundler(name: string, version: string): Case[] {
  const tool = `${name} ${version}`;
  const formats = name === "esbuild" || name === "webpack" ? ["esm", "cjs"] : ["esm"];
  return formats.flatMap((format) => {
    const file = (kind: string): string =>
      `${kind}-${name}/bundle.${format === "esm" ? "mjs" : "cjs"}`;
    const bundle = (kind: string, external: readonly string[]): string[][] => [
      ["node", "bundle.mjs", name, format, file(kind), ...external],
      ["node", file(kind)],
    ];
    return [
      {
        tool,
        what: `${format}, zeromq external`,
        commands: bundle("external", EXTERNAL),
        prints: EXCHANGED,
      },
      {
        tool,
        what: `${format}, zeromq bundled`,
        commands: bundle("bundled", []),
        prints: /Manifest file not found|Dynamic require of|__dirname is not defined/,
        fails: true,
      },
    ];
  });
}

function casesOfTypeScript(name: string, version: string): Case[] {
  const tool = `typescript ${version}`;
  const tsc = ["node", `node_modules/${name}/bin/tsc`, "--strict", "--target", "es2022"];
  const shared = [...tsc, "--lib", "es2023,esnext.disposable", "--types", "node"];
  const modes: [module: string, resolution: string][] = [
    name === "typescript" ? ["commonjs", "bundler"] : ["commonjs", "node10"],
    ["node20", "node16"],
  ];
  const compiled: Case[] = modes.map(([module, resolution]) => {
    const folder = `commonjs/${name}-${module}`;
    const modeOf = ["--module", module, "--moduleResolution", resolution, "--outDir", folder];
    return {
      tool,
      what: `module ${module}, moduleResolution ${resolution}`,
      commands: [
        [...shared, ...modeOf, "commonjs/typed-commonjs.ts"],
        ["node", `${folder}/typed-commonjs.js`],
      ],
      prints: /^typed function function\n$/,
    };
  });
  const refused = [...shared, "--module", "node16", "--noEmit", "commonjs/typed-commonjs.ts"];
  return [
    ...compiled,
    { tool, what: "module node16", commands: [refused], prints: /TS1479/, fails: true },
  ];
}

function casesOfJest(tool: string, node24: string): Case[] {
  const test = (node: readonly string[], config: string, file: string): string[][] => [
    [...node, JEST, "-c", config, "--rootDir", ".", file],
  ];
  return [
    {
      tool,
      what: "ES modules",
      commands: test(["node", VM_MODULES], "jest.config.cjs", "jest.test.mjs"),
      prints: TESTED,
    },
    {
      tool,
      what: "CommonJS, Node 24",
      commands: test([node24, VM_MODULES], "jest.config.cjs", "jest.test.cjs"),
      prints: TESTED,
    },
    {
      tool,
      what: "CommonJS, compiled by Babel",
      commands: test(["node"], "jest-babel.config.cjs", "jest.test.cjs"),
      prints: TESTED,
    },
    {
      tool,
      what: "CommonJS, none of that",
      commands: test(["node"], "jest.config.cjs", "jest.test.cjs"),
      prints: /Must use import to load ES Module|require\(esm\)/,
      fails: true,
    },
  ];
}
