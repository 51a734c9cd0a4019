/** Compiled by test/types/types.test.ts and never run: what must type-check, and what must not. */
import type { Writable } from "node:stream";
import { z } from "zod";
import {
  Dealer,
  json,
  type MessageHeaders,
  type Publication,
  Publisher,
  Pull,
  Push,
  type ReliablePull,
  type ReliablePush,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import type { Journal } from "../../lib/journal/index.ts";

interface Trade {
  readonly price: number;
}
interface Quote {
  readonly bid: number;
  readonly ask: number;
}
type Topics = {
  trades: Trade;
  [quote: `quotes.${string}`]: Quote;
};

/** Fails to compile unless `A` and `B` are the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Same<A, B>): void {}

export async function topics(): Promise<void> {
  const publisher = new Publisher<Topics>();
  await publisher.publish("trades", { price: 1 });
  await publisher.publish("quotes.nyse.KO", { bid: 1, ask: 2 });
  const symbol: string = "KO";
  await publisher.publish(`quotes.${symbol}`, { bid: 1, ask: 2 });
  // @ts-expect-error a topic that is not in the map
  await publisher.publish("orders", { price: 1 });
  // @ts-expect-error the value of another topic
  await publisher.publish("trades", { bid: 1, ask: 2 });
  // @ts-expect-error a value that lacks a field
  await publisher.publish("quotes.nyse.KO", { bid: 1 });
  // @ts-expect-error any string may name any topic
  await publisher.publish(symbol, { price: 1 });
  publisher.on("subscribers", ({ count }) => same<typeof count, number>(true));
  // @ts-expect-error no such event
  publisher.on("subscriber", () => {});

  const subscriber = new Subscriber<Topics>();
  for await (const publication of subscriber) {
    if (publication.topic === "trades") same<typeof publication.value, Trade>(true);
    else same<typeof publication.value, Quote>(true);
    const { topic, value } = publication;
    if (topic === "trades") value.price.toFixed();
    // @ts-expect-error only a quote has a bid
    if (topic === "trades") value.bid.toFixed();
  }
  const received: Publication<Topics> = await subscriber.receive();
  // @ts-expect-error either may have come
  received.value.price.toFixed();
  const untyped = new Subscriber();
  same<Awaited<ReturnType<typeof untyped.receive>>["value"], unknown>(true);
}

export function streams(): void {
  const publisher = new Publisher<Topics>();
  same<ReturnType<typeof publisher.writable>, Writable>(true);
  publisher.writable("trades", { highWaterMark: 5 });
  // @ts-expect-error a topic that is not in the map
  publisher.writable("orders");
  // @ts-expect-error a publisher has no levels
  publisher.writable("trades", { confirm: "stored" });
  const reliable = new Push<Trade>({ reliable: true });
  reliable.writable({ confirm: "processed", deduplicationId: ({ price }) => `${price}` });
  // @ts-expect-error no such level
  reliable.writable({ confirm: "read" });
  // @ts-expect-error a plain socket has no levels
  new Push<Trade>().writable({ confirm: "stored" });
}

export async function pushPull(): Promise<void> {
  const push = new Push<Trade>();
  await push.send({ price: 1 });
  // @ts-expect-error not a trade
  await push.send({ cost: 1 });
  await push.send({ price: 1 }, { confirm: "queued", timeoutMs: 5, headers: { tenant: "a" } });
  // @ts-expect-error a header is a text
  await push.send({ price: 1 }, { headers: { tenant: 1 } });
  same<ReturnType<typeof push.trySend>, boolean>(true);
  const pull = new Pull<Trade>();
  for await (const trade of pull) same<typeof trade, Trade>(true);
  for await (const trades of pull.batches()) same<typeof trades, Trade[]>(true);
  await pull.run((trade, { attempt }) => trade.price + attempt);
  new Push<Uint8Array>({ codec: raw() });
  // @ts-expect-error raw() takes bytes
  new Push<Trade>({ codec: raw() });
  new Pull<Trade>({ codec: json() });
  new Pull<Trade>({ schema: z.object({ price: z.number() }) });
  new Push<Trade>({ schema: z.object({ price: z.number() }) });
  // @ts-expect-error a schema of something else
  new Pull<Trade>({ schema: z.object({ cost: z.number() }) });
  // @ts-expect-error no such option
  new Push<Trade>({ lingerMS: 5 });
  // @ts-expect-error the wrong type
  new Push<Trade>({ lingerMs: "5" });
  new Push<Trade>({ batch: false, lingerMs: undefined });
  // @ts-expect-error an address, not a number
  await push.bind(5555);
  same<Awaited<ReturnType<typeof push.bind>>, string>(true);
  same<typeof push.status, "open" | "draining" | "closed">(true);
  push.on("error", ({ retryable }) => same<typeof retryable, boolean>(true));
}

/** What throws at run time on a plain socket does not compile. */
export async function plainOrReliable(journal: Journal, isReliable: boolean): Promise<void> {
  const plain = new Push<Trade>();
  same<typeof plain, Push<Trade>>(true);
  // @ts-expect-error nobody confirms that
  await plain.send({ price: 1 }, { confirm: "processed" });
  // @ts-expect-error nothing is remembered
  await plain.send({ price: 1 }, { deduplicationId: "a" });
  // @ts-expect-error nothing is given up
  plain.deadLetters;
  // @ts-expect-error nothing is leased
  new Push<Trade>({ leaseMs: 100 });
  // @ts-expect-error nobody stands by
  new Push<Trade>({ order: "total" });
  // @ts-expect-error no level above "queued"
  new Push<Trade>({ confirm: "stored" });

  for (const push of [new Push<Trade>({ reliable: true }), new Push<Trade>({ journal })]) {
    same<typeof push, ReliablePush<Trade>>(true);
    await push.send({ price: 1 }, { confirm: "processed", deduplicationId: "a" });
    for await (const { value, headers } of push.deadLetters) {
      same<typeof value, Trade | undefined>(true);
      same<typeof headers, MessageHeaders>(true);
    }
    const either: Push<Trade> = push;
    await either.send({ price: 1 });
  }
  new Push<Trade>({ journal, order: "total", leaseMs: 100, confirm: "delivered" });
  // @ts-expect-error not a trade
  await new Push<Trade>({ journal }).send({ cost: 1 }, { confirm: "processed" });
  // @ts-expect-error no such level
  await new Push<Trade>({ journal }).send({ price: 1 }, { confirm: "read" });
  // @ts-expect-error no such option
  new Push<Trade>({ reliable: true, leaseMS: 100 });
  // @ts-expect-error a journal makes it reliable
  new Push<Trade>({ reliable: false, journal });
  // @ts-expect-error a journal makes it reliable, whatever is known at run time only
  new Push<Trade>({ reliable: isReliable, journal });
  // @ts-expect-error an inbox makes it reliable
  new Pull<Trade>({ reliable: false, inbox: journal });

  const pull = new Pull<Trade>();
  // @ts-expect-error nothing is acknowledged
  pull.deliveries();
  // @ts-expect-error nobody counts
  new Pull<Trade>({ prefetch: 10 });
  // @ts-expect-error nothing is acknowledged
  await pull.run((_, delivery) => delivery.ack());
  await pull.run((_, { headers }) => same<typeof headers, MessageHeaders>(true));
  for await (const { value, headers } of pull.messages()) {
    same<typeof value, Trade>(true);
    same<typeof headers, MessageHeaders>(true);
  }
  // @ts-expect-error a plain message has no number
  for await (const { seq } of pull.messages()) same<typeof seq, number>(true);

  for (const reliable of [
    new Pull<Trade>({ reliable: true }),
    new Pull<Trade>({ inbox: journal }),
  ]) {
    same<typeof reliable, ReliablePull<Trade>>(true);
    for await (const delivery of reliable.deliveries()) delivery.nack({ delayMs: 5 });
    for await (const { seq } of reliable.messages()) same<typeof seq, number>(true);
    await reliable.run((_, delivery) => delivery.extend(5));
  }
  new Pull<Trade>({ reliable: true, prefetch: 10 });

  const unknown = new Push<Trade>({ reliable: isReliable });
  same<typeof unknown, Push<Trade>>(true);
  // @ts-expect-error what it is, is not known before it runs
  unknown.deadLetters;
}

export async function otherRoles(): Promise<void> {
  const publisher = new Publisher<Topics>();
  await publisher.publish("trades", { price: 1 }, { headers: { a: "1" }, timeoutMs: 5 });
  // @ts-expect-error nobody confirms that
  await publisher.publish("trades", { price: 1 }, { confirm: "processed" });
  const dealer = new Dealer<string>();
  await dealer.send("a", { headers: { a: "1" } });
  // @ts-expect-error nobody confirms that
  await dealer.send("a", { confirm: "delivered" });
  const router = new Router<string>();
  // @ts-expect-error nothing is remembered
  await router.send("peer", "a", { deduplicationId: "a" });
  for await (const { headers } of router) same<typeof headers, MessageHeaders>(true);
}

export async function requestReply(): Promise<void> {
  const requester = new Requester<{ n: number }, string>();
  same<Awaited<ReturnType<typeof requester.request>>, string>(true);
  await requester.request({ n: 1 }, { timeoutMs: 5, resend: true });
  // @ts-expect-error not a request
  await requester.request("n");
  // @ts-expect-error requests are not batched
  new Requester({ batch: false });
  const replier = new Replier<{ n: number }, string>();
  await replier.serve(({ n }, { peer }) => `${n} ${peer}`);
  await replier.serve(async ({ n }) => String(n), { concurrency: 5 });
  // @ts-expect-error not a reply
  await replier.serve(({ n }) => n);
}

export async function dealerRouter(): Promise<void> {
  const dealer = new Dealer<string, number>();
  await dealer.send("text");
  // @ts-expect-error sends strings
  await dealer.send(5);
  for await (const value of dealer) same<typeof value, number>(true);
  const router = new Router<number, string>();
  for await (const { peer, value } of router) {
    same<typeof value, string>(true);
    await router.send(peer, 5);
    // @ts-expect-error sends numbers
    await router.send(peer, "5");
  }
  const both = new Dealer<string>();
  same<Awaited<ReturnType<typeof both.receive>>, string>(true);
}
