import { Pull, Push } from "brokerless";
import { FileJournal } from "brokerless/journal";
import { WorkQueue } from "brokerless/patterns/work-queue";

const push = new Push<{ readonly price: number }>();
const pull = new Pull<{ readonly price: number }>();
// @ts-expect-error a message of another type
void push.send({ price: "1" });
const price: Promise<number> = pull.receive().then((trade) => trade.price);
console.log(price, FileJournal, WorkQueue);
