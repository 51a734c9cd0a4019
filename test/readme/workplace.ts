import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

/** The folder of this repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** Every Markdown text, as a path below the repository. */
export const documents: readonly string[] = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"],
  ...markdownIn("docs"),
  ...markdownIn("docs/decisions"),
];

/** @returns the Markdown files of a folder, as paths below the repository */
export function markdownIn(path: string): string[] {
  return readdirSync(join(root, path))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(path, name));
}

export function textOf(document: string): string {
  return readFileSync(join(root, document), "utf8");
}

/** A temporary folder in which programs import the package by its name, and get its sources. */
export interface Workplace {
  readonly folder: string;
  /** For `tsc -p`, and for tsx as TSX_TSCONFIG_PATH. */
  readonly tsconfig: string;
  /** The environment of programs that run there with `node --import tsx`. */
  readonly env: NodeJS.ProcessEnv;
}

/** Makes a {@link Workplace}, which is removed when all tests of the file have run. */
export function makeWorkplace(): Workplace {
  const folder = mkdtempSync(join(tmpdir(), "brokerless-readme-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const tsconfig = join(folder, "tsconfig.json");
  const paths = sourcesOfEntries();
  const config = {
    extends: join(root, "tsconfig.json"),
    // TypeScript refuses JavaScript beside isolated declarations, and no program here is declared.
    compilerOptions: {
      ...{ paths, rootDir: "/", allowJs: true, checkJs: false },
      ...{ declaration: false, isolatedDeclarations: false },
    },
    include: ["*.ts", "*/*.ts"],
    exclude: [],
  };
  writeFileSync(tsconfig, JSON.stringify(config));
  return { folder, tsconfig, env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig } };
}

/** The source file behind each entry of the package: `./dist/lib/index.d.ts` is `lib/index.ts`. */
function sourcesOfEntries(): Record<string, string[]> {
  const exported = Object.entries<{ types?: string }>(JSON.parse(textOf("package.json")).exports);
  const paths = exported.flatMap(([entry, { types }]) => {
    const source = types?.replace(/^\.\/dist\//, "").replace(/\.d\.ts$/, ".ts");
    return source === undefined ? [] : [[entry.replace(/^\./, "brokerless"), [join(root, source)]]];
  });
  return Object.fromEntries(paths);
}
