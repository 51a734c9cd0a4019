import { Pull, Push } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

const COUNT = 50;

/** A sender and its worker in one process, with a job that takes for ever. Says what was begun, and what is dead. */
const journal = await FileJournal.open(process.argv[2]!);
const push = new Push<number>({ journal, attemptsMax: 2, graceMs: 20 });
if (journal.seqStored === 0) {
  await Promise.all(Array.from({ length: COUNT }, (_, job) => push.send(job)));
}
const pull = new Pull<number>({ reliable: true });
pull.connect(await push.bind("tcp://127.0.0.1:*"));
for await (const { value, attempt } of pull.deliveries()) {
  process.stdout.write(`dead ${push.deadLetters.count}\n`);
  process.stdout.write(`begun ${value} ${attempt}\n`);
}
