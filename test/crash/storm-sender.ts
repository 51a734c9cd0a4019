import { Push } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/**
 * A sender in a storm: binds, sends `NAME-1, NAME-2, ...`, and says on stdout what was confirmed as stored. Its
 * numbers go on behind those that its journal holds, until it has sent `countMax`.
 */
const [directory, address, name, options] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const { countMax, ...rules } = JSON.parse(options) as { countMax: number };
const journal = await FileJournal.open(directory);
const push = new Push<string>({ journal, ...rules });
const bound = await push.bind(address);
process.stdout.write(`start ${bound}\n`);
let value = journal.seqStored;
while (value < countMax) {
  const batch = Array.from({ length: 10 }, () => push.send(`${name}-${++value}`));
  await Promise.all(batch);
  process.stdout.write(`stored ${value}\n`);
  while (push.stats().queuedMessages > 500) await new Promise((resolve) => setTimeout(resolve, 5));
}
process.stdout.write(`stored ${value}\n`);
while (push.stats().queuedMessages > 0) await new Promise((resolve) => setTimeout(resolve, 10));
process.stdout.write(`settled ${value}\n`);
