import { parseArgs } from "node:util";

/** `brokerless journal`: what it was asked to do. */
export interface JournalCommand {
  readonly topic: "journal";
  readonly action: "inspect" | "verify" | "read" | "repair";
  readonly directory: string;
  readonly json: boolean;
  readonly follow: boolean;
  readonly from: number | { readonly time: Date } | "start" | "end";
}

/** `brokerless dead-letters`: what it was asked to do. */
export interface DeadLettersCommand {
  readonly topic: "dead-letters";
  readonly action: "list" | "requeue" | "purge";
  readonly directory: string;
  readonly json: boolean;
  /** Those to requeue or purge, as given: seqs or ids; null: all. */
  readonly letters: readonly string[] | null;
}

export const USAGE = `usage: brokerless journal inspect|verify|read|repair DIR [--json]
  inspect   what the journal holds, segment by segment
  verify    read and check everything; exit 1 when something is damaged
  read      entries as NDJSON [--from SEQ|TIME|start|end] [--follow]
  repair    keep what is good of a damaged journal; the files as they were go to DIR/broken
usage: brokerless dead-letters list|requeue|purge DIR [SEQ|ID...] [--all] [--json]
  list      the messages of a sender's journal that were given up; with --json as NDJSON
  requeue   send these, or --all, anew when the journal's owner runs again
  purge     forget these, or --all, for good
  (the journal's owner must not be running)`;

const OPTIONS = {
  json: { type: "boolean", default: false },
  follow: { type: "boolean", default: false },
  from: { type: "string" },
  all: { type: "boolean", default: false },
} as const;
const JOURNAL_ACTIONS = ["inspect", "verify", "read", "repair"] as const;
const LETTER_ACTIONS = ["list", "requeue", "purge"] as const;

/** @throws TypeError for a wrong command line */
export function parseCommand(argv: readonly string[]): JournalCommand | DeadLettersCommand {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: OPTIONS,
  });
  const [topic, word, directory, ...rest] = positionals;
  if (directory === undefined || directory === "") throw new TypeError(USAGE);
  const { json, follow, all } = values;
  if (topic === "journal") {
    const action = JOURNAL_ACTIONS.find((candidate) => candidate === word);
    if (action === undefined || rest.length > 0 || all) throw new TypeError(USAGE);
    return { topic, action, directory, json, follow, from: parseFrom(values.from ?? "start") };
  }
  const action = LETTER_ACTIONS.find((candidate) => candidate === word);
  const isForJournals = follow || values.from !== undefined;
  if (topic !== "dead-letters" || action === undefined || isForJournals) throw new TypeError(USAGE);
  return { topic, action, directory, json, letters: parseLetters(action, rest, all) };
}

/** Forgetting or repeating everything has to be asked for in so many words. */
function parseLetters(
  action: DeadLettersCommand["action"],
  given: readonly string[],
  all: boolean,
): readonly string[] | null {
  const isList = action === "list";
  if (isList ? given.length > 0 || all : (given.length === 0) !== all) throw new TypeError(USAGE);
  const wrong = given.find((text) => !LETTER.test(text));
  if (wrong === undefined) return isList || all ? null : given;
  throw new TypeError(`expected a seq or an id such as list shows, got "${wrong}"`);
}

/** A seq, or an id: stream, epoch and seq. */
const LETTER = /^([0-9a-f]{32}-\d{1,15}-)?\d{1,15}$/;

function parseFrom(text: string): JournalCommand["from"] {
  if (text === "start" || text === "end") return text;
  if (/^\d{1,15}$/.test(text) && Number(text) >= 1) return Number(text);
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return { time };
  throw new TypeError(
    `--from: expected a seq, a time such as 2026-08-01T12:00Z, start or end, got "${text}"`,
  );
}
