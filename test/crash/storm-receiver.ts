import { appendFileSync } from "node:fs";
import { Pull } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/**
 * A receiver in a storm. With an inbox an effect is an entry of that journal, under the id of its delivery, and
 * is not repeated where the id is there; without, it is a line of a file that all receivers share.
 */
const [inboxPath, effects, ...addresses] = process.argv.slice(2) as [string, string, ...string[]];
const inbox = inboxPath === "" ? undefined : await FileJournal.open(inboxPath);
const known = new Set<string>();
if (inbox !== undefined) {
  for await (const { value } of inbox.read())
    known.add(Buffer.from(value).toString().split(" ")[0]!);
}
const pull = new Pull<string>({ reliable: true, inbox, prefetch: 50 });
for (const address of addresses) pull.connect(address);
process.stdout.write("start\n");
for await (const delivery of pull.deliveries()) {
  if (inbox === undefined) {
    appendFileSync(effects, `${delivery.value}\n`);
    delivery.ack();
  } else if (known.has(delivery.id)) delivery.ack();
  else {
    known.add(delivery.id);
    void inbox.append(Buffer.from(`${delivery.id} ${delivery.value}`)).then(() => delivery.ack());
  }
}
