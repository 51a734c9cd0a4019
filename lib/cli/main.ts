#!/usr/bin/env node
import { BrokerlessError } from "../errors.ts";
import { parseCommand } from "./arguments.ts";
import { NoSuchLetter, runDeadLettersCommand } from "./dead-letters-command.ts";
import { runJournalCommand } from "./journal-command.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe may have enough.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

try {
  const command = parseCommand(process.argv.slice(2));
  process.exitCode =
    command.topic === "journal"
      ? await runJournalCommand(command, process.stdout)
      : await runDeadLettersCommand(command, process.stdout);
} catch (error) {
  const isOurs = error instanceof BrokerlessError;
  const isUsage = error instanceof TypeError;
  if (!isOurs && !isUsage && !(error instanceof NoSuchLetter)) throw error;
  process.stderr.write(`${isOurs ? `${error.code}: ` : ""}${error.message}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
