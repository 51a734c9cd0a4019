import { type Codec, Publisher, Push, type Security, Subscriber } from "brokerless";
import { type Parcel, runSink } from "brokerless/patterns/pipeline";

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

const take: (parcel: Parcel<number>) => void = console.log;
console.log(take, runSink);
