#!/usr/bin/env node
import { BrokerlessError } from "../errors.ts";
import { parseCommand } from "./arguments.ts";
import { NoSuchLetter, runDeadLettersCommand } from "./dead-letters-command.ts";
import { runJournalCommand } from "./journal-command.ts";
import { toPlain } from "./terminal-text.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe, such as `head`, may close it early.
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`cannot write the output: ${error.message}\n`, () => process.exit(1));
});
// A failure to print does not change the exit status.
process.stderr.on("error", () => {});

try {
  const command = parseCommand(process.argv.slice(2));
  if (command.topic === "print") process.stdout.write(`${command.text}\n`);
  else if (command.topic === "journal")
    process.exitCode = await runJournalCommand(command, process.stdout);
  else process.exitCode = await runDeadLettersCommand(command, process.stdout);
} catch (error) {
  const isOurs = error instanceof BrokerlessError;
  const isUsage = error instanceof TypeError;
  if (!isOurs && !isUsage && !(error instanceof NoSuchLetter)) throw error;
  const lines = `${isOurs ? `${error.code}: ` : ""}${error.message}`.split("\n");
  process.stderr.write(`${lines.map(toPlain).join("\n")}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
