/** Compiled by test/types/types.test.ts and never run: what must type-check, and what must not. */
import { z } from "zod";
import {
  Dealer,
  json,
  type Publication,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";

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

export async function pushPull(): Promise<void> {
  const push = new Push<Trade>();
  await push.send({ price: 1 });
  // @ts-expect-error not a trade
  await push.send({ cost: 1 });
  await push.send({ price: 1 }, { confirm: "processed" });
  // @ts-expect-error no such level
  await push.send({ price: 1 }, { confirm: "read" });
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

export async function requestReply(): Promise<void> {
  const requester = new Requester<{ n: number }, string>();
  same<Awaited<ReturnType<typeof requester.request>>, string>(true);
  await requester.request({ n: 1 }, { timeoutMs: 5, resend: true });
  // @ts-expect-error not a question
  await requester.request("n");
  // @ts-expect-error questions are not batched
  new Requester({ batch: false });
  const replier = new Replier<{ n: number }, string>();
  await replier.serve(({ n }, { peer }) => `${n} ${peer}`);
  await replier.serve(async ({ n }) => String(n), { concurrency: 5 });
  // @ts-expect-error not an answer
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
