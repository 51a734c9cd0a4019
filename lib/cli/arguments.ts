import { parseArgs } from "node:util";

/** What the command was asked to do. */
export interface JournalCommand {
  readonly action: "inspect" | "verify" | "read" | "repair";
  readonly directory: string;
  readonly json: boolean;
  readonly follow: boolean;
  readonly from: number | { readonly time: Date } | "start" | "end";
}

export const USAGE = `usage: brokerless journal inspect|verify|read|repair DIR [--json]
  inspect   what the journal holds, segment by segment
  verify    read and check everything; exit 1 when something is damaged
  read      entries as NDJSON [--from SEQ|TIME|start|end] [--follow]
  repair    keep what is good of a damaged journal; the files as they were go to DIR/broken`;

const ACTIONS = ["inspect", "verify", "read", "repair"] as const;

/** @throws TypeError for a wrong command line */
export function parseCommand(argv: readonly string[]): JournalCommand {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      follow: { type: "boolean", default: false },
      from: { type: "string", default: "start" },
    },
  });
  const [topic, word, directory, ...rest] = positionals;
  const action = ACTIONS.find((candidate) => candidate === word);
  if (topic !== "journal" || action === undefined || directory === undefined || rest.length > 0) {
    throw new TypeError(USAGE);
  }
  const { json, follow } = values;
  return { action, directory, json, follow, from: parseFrom(values.from) };
}

function parseFrom(text: string): JournalCommand["from"] {
  if (text === "start" || text === "end") return text;
  if (/^\d{1,15}$/.test(text) && Number(text) >= 1) return Number(text);
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return { time };
  throw new TypeError(
    `--from: expected a seq, a time such as 2026-08-01T12:00Z, start or end, got "${text}"`,
  );
}
