import { Push } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/**
 * A sender that is killed: sends `next, next + 1, ...` and says on stdout what was confirmed as stored. Its
 * numbers go on behind those that its journal holds.
 */
const [directory, address, options] = process.argv.slice(2) as [string, string, string];
const journal = await FileJournal.open(directory);
const push = new Push<number>({ journal, graceMs: 1_000, leaseMs: 2_000, ...JSON.parse(options) });
push.on("error", ({ message }) => process.stderr.write(`sender: ${message}\n`));
push.connect(address);
process.stdout.write(`start ${journal.seqStored}\n`);
for (let value = journal.seqStored + 1; ; ) {
  const batch = Array.from({ length: 20 }, () => push.send(value++));
  await Promise.all(batch);
  process.stdout.write(`stored ${value - 1}\n`);
  while (push.stats().queuedMessages > 2_000) await new Promise((resolve) => setImmediate(resolve));
}
