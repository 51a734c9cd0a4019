import { Push } from "brokerless";
import { FileJournal, MemoryJournal } from "brokerless/journal";

const journal = await FileJournal.open("kept");
await journal.append(Buffer.from("written"));
await journal.close();

const reopened = await FileJournal.open("kept");
for await (const { seq, value } of reopened.read()) console.log(seq, Buffer.from(value).toString());
console.log(typeof MemoryJournal, typeof Push);
await reopened.close();
