import { type Codec, Publisher, Push, type Security, Subscriber } from "brokerless";
import { FileJournal, type Journal, LmdbJournal, MemoryJournal } from "brokerless/journal";
import { type Parcel, runSink } from "brokerless/patterns/pipeline";
import { Worker, WorkQueue } from "brokerless/patterns/work-queue";

interface Trade {
  readonly price: number;
}
type Topics = { trades: Trade; [quote: `quotes.${string}`]: { readonly bid: number } };

const codec: Codec<Trade> | undefined = undefined;
const security: Security = "none";
const push = new Push<Trade>({ codec, security, batch: { batchBytesMax: 1_024 } });
await push.send({ price: 1 });
// @ts-expect-error a message of another type
await push.send({ price: "1" });

const publisher = new Publisher<Topics>();
await publisher.publish("quotes.ACME", { bid: 1 });
// @ts-expect-error a topic that the map does not know
await publisher.publish("news", { bid: 1 });

await using subscriber = new Subscriber<Topics>();
for await (const { topic, value } of subscriber) {
  const price: number = topic === "trades" ? value.price : value.bid;
  console.log(price);
}

const journal: Journal = await FileJournal.open("kept", { sync: "interval", syncIntervalMs: 10 });
for await (const entry of journal.read({ from: "start" })) console.log(entry.seq, entry.value);
// @ts-expect-error a level that journals do not have
await FileJournal.open("kept", { sync: "sometimes" });
console.log(LmdbJournal, MemoryJournal);

const take: (parcel: Parcel<number>) => void = console.log;
console.log(take, runSink);

await using queue = await WorkQueue.open<Trade>({ directory: "queue", attemptsMax: 3 });
await queue.add({ price: 1 }, { deduplicationId: "one" });
// @ts-expect-error a job of another type
await queue.add({ price: "1" });
const worker = await Worker.start<Trade>({ connect: "tcp://127.0.0.1:1" }, ({ price }, { id }) => {
  console.log(price.toFixed(2), id);
});
const left: number = await worker.close({ timeoutMs: 1_000 });
console.log(left);
