import { once } from "node:events";
import type { Writable } from "node:stream";
import type { Entry } from "../batch/entry.ts";
import { backupJournal } from "../journal/backup/backup.ts";
import { JournalView } from "../journal/file/journal-view.ts";
import type { MissingEntries, VerifyReport } from "../journal/journal.ts";
import { repairJournal } from "../journal/recovery/repair.ts";
import type { JournalCommand } from "./arguments.ts";
import { toJsonLine } from "./terminal-text.ts";

interface Streams {
  readonly out: Writable;
  readonly errors: Writable;
}

/**
 * Runs a command of `brokerless journal`.
 *
 * @returns the exit status: 0 for success, 1 when damage was found or entries are lost
 * @throws BrokerlessError as the journal does
 */
export async function runJournalCommand(
  command: JournalCommand,
  out: Writable,
  errors: Writable = process.stderr,
): Promise<number> {
  if (command.action === "repair") return repair(command, out);
  if (command.action === "backup") return backup(command, out);
  const view = await JournalView.open(command.directory);
  try {
    if (command.action === "inspect") return inspect(command, view, out);
    if (command.action === "verify") return await verify(command, view, out);
    await read(command, view, { out, errors });
    return 0;
  } finally {
    view.close();
  }
}

function inspect(command: JournalCommand, view: JournalView, out: Writable): number {
  const { stream, epoch, seqFirst, seqStored } = view;
  const segments = view.segments.map(({ name, end, header }) => ({
    name,
    bytes: end,
    seqBase: header.seqBase,
    epoch: header.epoch,
    createdAt: new Date(header.createdAtMs).toISOString(),
    afterGap: header.hasGap,
  }));
  if (command.json) {
    out.write(toJsonLine({ stream, epoch, seqFirst, seqStored, segments }));
    return 0;
  }
  line(out, `stream ${stream}, epoch ${epoch}, seq ${seqFirst} to ${seqStored}`);
  for (const segment of segments) {
    const gap = segment.afterGap ? ", entries before it are lost" : "";
    line(
      out,
      `${segment.name}  ${segment.bytes} bytes, from seq ${segment.seqBase}, epoch ${segment.epoch}, ${segment.createdAt}${gap}`,
    );
  }
  return 0;
}

async function verify(command: JournalCommand, view: JournalView, out: Writable): Promise<number> {
  const report = await view.verify();
  if (command.json) out.write(toJsonLine(report));
  else writeVerified(report, out);
  return report.ok ? 0 : 1;
}

function writeVerified(report: VerifyReport, out: Writable): void {
  line(out, `${report.entries} entries in ${report.batches} batches, ${report.bytes} bytes`);
  for (const { file, offset, reason, seqFirst, seqLast } of report.damage) {
    line(out, `${file} byte ${offset}: ${reason}; lost: seq ${seqFirst} to ${seqLast ?? "?"}`);
  }
  line(out, report.ok ? "nothing is damaged" : "damaged");
}

async function read(command: JournalCommand, view: JournalView, streams: Streams): Promise<void> {
  const { out, errors } = streams;
  const { from, follow } = command;
  // A read from the start begins with the first kept entry, and the owner may free entries
  // meanwhile; any other missing entry ends the read.
  const onMissing = ({ seqFirst, seqLast, error }: MissingEntries) => {
    if (seqLast >= view.seqFirst) throw error;
    line(errors, `seq ${seqFirst} to ${seqLast} were freed while the journal was read`);
  };
  const options = from === "start" ? { from, follow, onMissing } : { from, follow };
  for await (const entry of view.read(options)) {
    if (!out.write(toJsonLine(toJson(entry)))) await once(out, "drain");
    if (out.destroyed) return;
  }
}

/** A value that is UTF-8 text is printed as text; other bytes as base64. */
function toJson(entry: Entry): object {
  const { seq, key, headers, createdAtMs, notBeforeMs, expiresAtMs, value } = entry;
  const text = value.toString("utf8");
  const isText = Buffer.from(text).equals(value);
  const shown = isText ? { text } : { base64: value.toString("base64") };
  return { seq, key, headers, createdAtMs, notBeforeMs, expiresAtMs, ...shown };
}

async function repair(command: JournalCommand, out: Writable): Promise<number> {
  const { newStream } = command;
  const report = await repairJournal(command.directory, undefined, { newStream });
  if (command.json) out.write(toJsonLine(report));
  else {
    line(out, `kept ${report.entriesKept} entries`);
    if (newStream) line(out, `it is stream ${report.stream} now`);
    for (const { seqFirst, seqLast } of report.lost)
      line(out, `lost seq ${seqFirst} to ${seqLast}`);
    line(out, `the files as they were: ${report.savedAs.join(", ")}`);
  }
  return report.lost.length === 0 ? 0 : 1;
}

async function backup(command: JournalCommand, out: Writable): Promise<number> {
  const report = await backupJournal(command.directory, command.to);
  const { stream, seqFirst, seqStored } = report;
  if (command.json) out.write(toJsonLine(report));
  else {
    line(out, `stream ${stream}, seq ${seqFirst} to ${seqStored}`);
    writeVerified(report, out);
  }
  return report.ok ? 0 : 1;
}

function line(out: Writable, text: string): boolean {
  return out.write(`${text}\n`);
}
