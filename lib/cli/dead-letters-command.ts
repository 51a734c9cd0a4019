import type { Writable } from "node:stream";
import type { Batch } from "../batch/batch.ts";
import { json } from "../codec/json.ts";
import { msgpack } from "../codec/msgpack/msgpack.ts";
import { raw } from "../codec/raw.ts";
import { deadLetterText } from "../delivery/protocol/error-texts.ts";
import { messageId } from "../delivery/protocol/incarnations.ts";
import { BrokerlessError } from "../errors.ts";
import type { HandlerError } from "../handler-error.ts";
import { FileJournal } from "../journal/file/file-journal.ts";
import { JournalView } from "../journal/file/journal-view.ts";
import { readState } from "../reliable/saved-values.ts";
import { readIncarnations } from "../reliable/sender-incarnations.ts";
import { Push } from "../socket/push.ts";
import type { DeadLettersCommand } from "./arguments.ts";
import { toJsonLine, toPlain } from "./terminal-text.ts";

/** A dead letter as the command prints it. */
interface Letter {
  readonly seq: number;
  readonly id: string;
  readonly attempts: number;
  readonly reason: string;
  readonly error: HandlerError | null;
  /** Null where it is unknown. */
  readonly firstAttemptAt: string | null;
  readonly deadAt: string;
  /** Headers as they were sent; absent where there were none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Decoded value, for codecs of this package; otherwise `base64` is used. */
  readonly value?: unknown;
  readonly base64?: string;
}

/** A value, and its headers, are truncated to this length in output for people (characters). */
const SHOWN_LENGTH_MAX = 200;
/** The most that an owner can remember (count). */
const IDS_MAX = 16_384;
const DECODERS = new Map(
  [json(), msgpack()].map((codec) => [codec.name === "msgpack" ? 2 : 3, codec]),
);

/** No dead letter has the requested seq or id. */
export class NoSuchLetter extends Error {}

/**
 * Runs a command of `brokerless dead-letters` on the journal of a sender that is not running.
 *
 * @returns the exit status
 * @throws BrokerlessError as the journal does, `BROKERLESS_LOCKED` while its owner runs;
 *   {@link NoSuchLetter}
 */
export async function runDeadLettersCommand(
  command: DeadLettersCommand,
  out: Writable,
): Promise<number> {
  const journal = await open(command.directory);
  try {
    const letters = await lettersOf(journal);
    if (command.action === "list") list(letters, command, out);
    else await change(journal, { letters, command, out });
    return 0;
  } finally {
    await journal.close();
  }
}

async function open(directory: string): Promise<FileJournal> {
  // Opening a journal creates one where there is none; a view does not.
  const view = await JournalView.open(directory);
  view.close();
  try {
    return await FileJournal.open(directory);
  } catch (error) {
    if (!(error instanceof BrokerlessError) || error.code !== "BROKERLESS_LOCKED") throw error;
    const advice = "to change its dead letters end that process first, or use `deadLetters` in it";
    throw new BrokerlessError(error.code, `${error.message}; ${advice}`, { cause: error });
  }
}

async function lettersOf(journal: FileJournal): Promise<Letter[]> {
  const state = readState(journal);
  if (state === null) return [];
  if (state === undefined) {
    const message = "the journal's record of acknowledgements and dead letters is unreadable";
    throw new BrokerlessError("BROKERLESS_CORRUPT", message);
  }
  const letters: Letter[] = [];
  const incarnations = readIncarnations(journal);
  for (const { first, last, value: death } of state.dead) {
    const { attempts, reason, error, firstMs, timeMs, offset } = death;
    const firstAttemptAt = firstMs === null ? null : new Date(firstMs).toISOString();
    const deadAt = new Date(timeMs).toISOString();
    for await (const batch of journal.read({ from: first + offset }).batches()) {
      for (const { seq: at, headers, value } of batch) {
        const seq = at - offset;
        if (seq < first || seq > last) continue;
        const id = messageId(journal.stream, incarnations, seq);
        const why = { attempts, reason, error, firstAttemptAt, deadAt };
        letters.push({ seq, id, ...why, headers, ...shown(batch, value) });
      }
      if (batch.seqLast >= last + offset) break;
    }
  }
  return letters;
}

function shown(batch: Batch, bytes: Buffer): Pick<Letter, "value" | "base64"> {
  try {
    const codec = DECODERS.get(batch.codec);
    if (codec !== undefined) return { value: JSON.parse(toText(codec.decode(bytes))) };
  } catch {
    // The codec may be unable to decode the bytes, which may be why the letter is dead.
  }
  return { base64: bytes.toString("base64") };
}

/** MessagePack has values that JSON lacks. */
function toText(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? String(part) : part,
  );
  return text ?? "null";
}

function list(letters: readonly Letter[], command: DeadLettersCommand, out: Writable): void {
  for (const letter of letters) {
    if (command.json) out.write(toJsonLine(letter));
    else out.write(`${describe(letter)}\n`);
  }
  if (!command.json && letters.length === 0) out.write("no dead letters\n");
}

function describe(letter: Letter): string {
  const { seq, id, attempts, firstAttemptAt, deadAt, headers, value, base64 } = letter;
  const parts = [`seq ${seq}`, `id ${id}`, `attempts ${attempts}`];
  parts.push(`${firstAttemptAt ?? "?"} to ${deadAt}`, deadLetterText(letter));
  if (headers !== undefined) parts.push(`headers ${cut(JSON.stringify(headers))}`);
  parts.push(cut(base64 === undefined ? JSON.stringify(value) : `base64 ${base64}`));
  // Contents of a message may include terminal control sequences.
  return toPlain(parts.join("  "));
}

function cut(text: string): string {
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX - 3)}...`;
}

async function change(
  journal: FileJournal,
  {
    letters,
    command,
    out,
  }: {
    readonly letters: readonly Letter[];
    readonly command: DeadLettersCommand;
    readonly out: Writable;
  },
): Promise<void> {
  const seqs = command.letters?.map((name) => seqOf(name, letters)) ?? null;
  // The owner's own code makes the change, so that the result is the same as if the owner had made
  // it.
  // Its ids are kept, however many the owner remembers.
  const push = new Push<Uint8Array>({ journal, codec: raw(), deduplicationIdsMax: IDS_MAX });
  push.on("error", (error) => {
    // What waits to be sent is of the owner's codec, and is not sent here.
    if (error.code !== "BROKERLESS_CODEC") process.emitWarning(error);
  });
  try {
    const { action } = command;
    const count =
      letters.length === 0 ? 0 : await push.deadLetters[action as "purge"](seqs ?? undefined);
    const done = action === "requeue" ? "requeued" : "purged";
    out.write(command.json ? toJsonLine({ [done]: count }) : `${done} ${count}\n`);
  } finally {
    await push.close();
  }
}

function seqOf(name: string, letters: readonly Letter[]): number {
  const letter = letters.find(({ seq, id }) => id === name || String(seq) === name);
  if (letter !== undefined) return letter.seq;
  throw new NoSuchLetter(`there is no dead letter ${name}; list shows those that there are`);
}
