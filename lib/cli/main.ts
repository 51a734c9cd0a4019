#!/usr/bin/env node
import { BrokerlessError } from "../errors.ts";
import { parseCommand } from "./arguments.ts";
import { runJournalCommand } from "./journal-command.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // The reader of a pipe may have enough.
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

try {
  const command = parseCommand(process.argv.slice(2));
  process.exitCode = await runJournalCommand(command, process.stdout);
} catch (error) {
  const isOurs = error instanceof BrokerlessError;
  const isUsage = error instanceof TypeError;
  if (!isOurs && !isUsage) throw error;
  process.stderr.write(`${isOurs ? `${error.code}: ` : ""}${error.message}\n`);
  process.exitCode = isOurs ? 1 : 2;
}
