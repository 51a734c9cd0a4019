import { appendFileSync, closeSync, openSync } from "node:fs";
import { Pull } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/**
 * A receiver that is killed: the effect of a message is a line in a file, written before it is acknowledged. A
 * line that was begun and not ended by a kill is none.
 */
const [directory, address, effects] = process.argv.slice(2) as [string, string, string];
const inbox = directory === "" ? undefined : await FileJournal.open(directory);
const pull = new Pull<number>({ reliable: true, inbox, prefetch: 200 });
pull.on("error", ({ message }) => process.stderr.write(`receiver: ${message}\n`));
const file = openSync(effects, "a");
await pull.bind(address);
process.stdout.write("start\n");
for await (const delivery of pull.deliveries()) {
  appendFileSync(file, `${delivery.value} ${delivery.attempt}\n`);
  delivery.ack();
}
closeSync(file);
