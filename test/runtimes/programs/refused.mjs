/** What a runtime that cannot run native code for Node can still do, and that the rest is refused before it crashes. */
import { Dealer, Publisher, Pull, Push, Replier, Requester, Router, Subscriber } from "brokerless";
import { FileJournal, MemoryJournal } from "brokerless/journal";
import "brokerless/patterns/work-queue";
import "brokerless/testing";

async function codeOf(attempt) {
  try {
    await attempt();
    return "nothing";
  } catch (error) {
    return error.code;
  }
}

const roles = [Dealer, Publisher, Pull, Push, Replier, Requester, Router, Subscriber];
const attempts = [
  ...roles.map((Role) => () => new Role()),
  () => new Push({ reliable: true }),
  () => FileJournal.open("refused"),
];
const codes = new Set();
for (const attempt of attempts) codes.add(await codeOf(attempt));

const journal = new MemoryJournal();
await journal.append(Buffer.from("kept"));
for await (const { value } of journal.read()) console.log(Buffer.from(value).toString());
await journal.close();
console.log("refused with", ...codes);
