/** `npm run guarantees`: writes the part of docs/guarantees.md that says what `explain()` says. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ShownGuarantee, shownReceiver, shownSender } from "../lib/socket/explain.ts";

const BEGIN = "<!-- begin: npm run guarantees -->";
const END = "<!-- end: npm run guarantees -->";

/** The configurations that are shown, each with what it adds to those before. */
const TABLES: readonly (readonly [title: string, rows: readonly ShownGuarantee[]])[] = [
  ["`Push` with `reliable: true`", shownSender({ kind: "memory" })],
  ["`Push` with a `journal`", shownSender({ kind: "journal" })],
  ["`Pull` with `reliable: true`", shownReceiver("memory")],
  ["`Pull` with an `inbox`", shownReceiver("inbox")],
];

/**
 * Puts the tables where they belong. Pure.
 *
 * @param document the whole of docs/guarantees.md
 * @throws Error where it has no place for them
 */
export function withGuarantees(document: string): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the document needs ${BEGIN} and, later, ${END}`);
  const sections = TABLES.flatMap(([title, rows]) => [`### ${title}`, tableOf(rows)]);
  const parts = [BEGIN, ...sections, "### Which test shows what", listOf(), ""];
  return `${document.slice(0, from)}${parts.join("\n\n")}${document.slice(to)}`;
}

function tableOf(rows: readonly ShownGuarantee[]): string {
  const lines = rows.map(({ failure, lost, duplicated, reordered }) =>
    [failure, lost, duplicated, reordered].map(code),
  );
  const head = ["what happens", "lost", "processed twice", "out of order"];
  return [head, head.map(() => "---"), ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function listOf(): string {
  const tests = new Map<string, Set<string>>();
  for (const { failure, shownBy } of TABLES.flatMap(([, rows]) => rows)) {
    const names = tests.get(failure) ?? new Set();
    for (const name of shownBy) names.add(name.replace(/\$\{\w+\}/g, "..."));
    tests.set(failure, names);
  }
  return [...tests]
    .map(
      ([failure, names]) =>
        `- ${code(failure)}: ${[...names].map((name) => `"${name}"`).join(", ")}`,
    )
    .join("\n");
}

/** Names of options, events and codes as code. */
function code(text: string): string {
  return text.replace(
    /\b([a-z]+(?:[A-Z]\w*)+|delivery\.id|BROKERLESS_\w+)\b/g,
    (name) => `\`${name}\``,
  );
}

const path = fileURLToPath(new URL("../docs/guarantees.md", import.meta.url));
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(path, withGuarantees(readFileSync(path, "utf8")));
}
