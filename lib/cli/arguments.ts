import { createRequire } from "node:module";
import { parseArgs } from "node:util";

/** Parsed command line of `brokerless journal`. */
export interface JournalCommand {
  readonly topic: "journal";
  readonly action: "inspect" | "verify" | "read" | "repair" | "backup";
  readonly directory: string;
  /** Target of a backup; empty for all other actions. */
  readonly to: string;
  readonly json: boolean;
  readonly follow: boolean;
  /** Whether a repair turns a copy into a stream of its own. */
  readonly newStream: boolean;
  readonly from: number | { readonly time: Date } | "start" | "end";
}

/** Parsed command line of `brokerless dead-letters`. */
export interface DeadLettersCommand {
  readonly topic: "dead-letters";
  readonly action: "list" | "requeue" | "purge";
  readonly directory: string;
  readonly json: boolean;
  /** Dead letters to requeue or purge, as given: seqs or ids; null for all. */
  readonly letters: readonly string[] | null;
}

/** `--help` and `--version`: the text to print. */
export interface PrintCommand {
  readonly topic: "print";
  readonly text: string;
}

const JOURNAL_USAGE = `usage: brokerless journal inspect|verify DIR [--json]
       brokerless journal read DIR [--from SEQ|TIME|start|end] [--follow]
       brokerless journal repair DIR [--new-stream] [--json]
       brokerless journal backup DIR TO [--json]
  inspect   what the journal holds, segment by segment
  verify    read and check everything; exit 1 when something is damaged
  read      entries as NDJSON, from the start or --from; --follow waits for more, until Ctrl-C
  repair    keep what is good of a damaged journal; the files as they were go to DIR/broken; exit 1 when entries are lost
            --new-stream makes it a stream, or an inbox, of its own: for a copy beside the original
  backup    copy the journal, whose owner may be running, into the new directory TO
  (DIR is the directory of a FileJournal)`;
const LETTERS_USAGE = `usage: brokerless dead-letters list DIR [--json]
       brokerless dead-letters requeue|purge DIR SEQ|ID...|--all [--json]
  list      the messages of a sender's journal that were given up; with --json as NDJSON
  requeue   send these, or --all, anew when the journal's owner runs again
  purge     forget these, or --all, for good
  (the journal's owner must not be running)`;
const OTHERS = "usage: brokerless [journal|dead-letters] --help | --version";
const USAGE = [JOURNAL_USAGE, LETTERS_USAGE, OTHERS].join("\n");

const OPTIONS = {
  json: { type: "boolean", default: false },
  follow: { type: "boolean", default: false },
  from: { type: "string" },
  "new-stream": { type: "boolean", default: false },
  all: { type: "boolean", default: false },
} as const;
const JOURNAL_ACTIONS = ["inspect", "verify", "read", "repair", "backup"] as const;
const LETTER_ACTIONS = ["list", "requeue", "purge"] as const;
/** Options that only some actions accept, and those actions. */
const TAKERS: Readonly<Record<string, readonly string[]>> = {
  follow: ["read"],
  from: ["read"],
  "new-stream": ["repair"],
  all: ["requeue", "purge"],
};

/** @throws TypeError for a wrong command line, with the mistake first and then the usage */
export function parseCommand(
  argv: readonly string[],
): JournalCommand | DeadLettersCommand | PrintCommand {
  const text = textOf(argv);
  if (text !== null) return { topic: "print", text };
  const { positionals, values } = parseWords(argv);
  const [topic, word, directory = "", ...rest] = positionals;
  if (topic !== "journal" && topic !== "dead-letters") {
    throw new TypeError(topic === undefined ? USAGE : wrong(`no command "${topic}"`, ""));
  }
  const { json, follow, all, "new-stream": newStream } = values;
  const given = { follow, from: values.from !== undefined, "new-stream": newStream, all };
  const checkOptions = (action: string): void => {
    for (const [option, isGiven] of Object.entries(given)) {
      if (!isGiven || TAKERS[option]!.includes(action)) continue;
      throw new TypeError(wrong(`${topic} ${action} takes no --${option}`, topic));
    }
  };
  if (topic === "journal") {
    const action = actionOf(topic, word, JOURNAL_ACTIONS);
    checkOptions(action);
    const [to = "", ...more] = rest;
    const isBackup = action === "backup";
    checkWords(`${topic} ${action}`, { DIR: directory, ...(isBackup && { TO: to }) });
    const surplus = isBackup ? more[0] : rest[0];
    if (surplus !== undefined) throw new TypeError(wrong(`one word too many: "${surplus}"`, topic));
    const from = parseFrom(values.from ?? "start");
    return { topic, action, directory, to, json, follow, newStream, from };
  }
  const action = actionOf(topic, word, LETTER_ACTIONS);
  checkOptions(action);
  checkWords(`${topic} ${action}`, { DIR: directory });
  return { topic, action, directory, json, letters: parseLetters(action, rest, all) };
}

function parseWords(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    // Node appends advice about arguments that start with a dash.
    const [text] = (error as Error).message.split(". ");
    throw new TypeError(`${text}; see brokerless --help`, { cause: error });
  }
}

function actionOf<A extends string>(
  topic: string,
  word: string | undefined,
  actions: readonly A[],
): A {
  const action = actions.find((candidate) => candidate === word);
  if (action !== undefined) return action;
  const text = word === undefined ? "an action is missing" : `no action "${word}"`;
  throw new TypeError(wrong(`${topic}: ${text}`, topic));
}

function checkWords(command: string, words: Readonly<Record<string, string>>): void {
  const missing = Object.entries(words).find(([, word]) => word === "");
  if (missing === undefined) return;
  throw new TypeError(wrong(`${command}: ${missing[0]} is missing`, command.split(" ")[0]!));
}

/** The mistake comes first, on a line of its own. */
function wrong(text: string, topic: string): string {
  return `${text}\n${HELP_TEXTS.get(topic) ?? USAGE}`;
}

/** Help is printed whatever else is given; also for `help` without dashes. */
function textOf(argv: readonly string[]): string | null {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  const [topic = ""] = words.filter((word) => !HELP.has(word));
  if (words.some((word) => word.startsWith("-") && HELP.has(word)) || words[0] === "help") {
    return HELP_TEXTS.get(topic) ?? USAGE;
  }
  return words.includes("--version") ? packageVersion() : null;
}

/** Version of the package that this file belongs to, compiled or not. */
function packageVersion(): string {
  const manifest = createRequire(import.meta.url)("brokerless/package.json");
  return (manifest as { readonly version: string }).version;
}

const HELP: ReadonlySet<string> = new Set(["--help", "-h", "help"]);
const HELP_TEXTS: ReadonlyMap<string, string> = new Map([
  ["journal", JOURNAL_USAGE],
  ["dead-letters", LETTERS_USAGE],
]);

/** An action on all dead letters must be requested explicitly. */
function parseLetters(
  action: DeadLettersCommand["action"],
  given: readonly string[],
  all: boolean,
): readonly string[] | null {
  const isList = action === "list";
  const command = `dead-letters ${action}`;
  if (isList && given.length > 0) {
    throw new TypeError(wrong(`${command}: one word too many: "${given[0]}"`, "dead-letters"));
  }
  if (!isList && (given.length === 0) !== all) {
    throw new TypeError(wrong(`${command}: name the messages, or say --all`, "dead-letters"));
  }
  const odd = given.find((text) => !LETTER.test(text));
  if (odd === undefined) return isList || all ? null : given;
  throw new TypeError(`expected a seq or an id such as list shows, got "${odd}"`);
}

/** A seq, or an id: stream, tag of the epoch, and seq. */
const LETTER = /^([0-9a-f]{32}-[0-9a-f]{1,16}-)?\d{1,15}$/;

function parseFrom(text: string): JournalCommand["from"] {
  if (text === "start" || text === "end") return text;
  if (/^\d{1,15}$/.test(text) && Number(text) >= 1) return Number(text);
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return { time };
  throw new TypeError(
    `--from: expected a seq, a time such as 2026-08-01T12:00Z, start or end, got "${text}"`,
  );
}
