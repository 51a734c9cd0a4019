/** One publisher, two subscribers, typed topics: `npx tsx examples/pub-sub.ts`. */
import { Publisher, Subscriber } from "../lib/index.ts";

interface Trade {
  readonly symbol: string;
  readonly price: number;
  readonly size: number;
}

interface Quote {
  readonly bid: number;
  readonly ask: number;
}

/** The name of a topic determines the type of its values, also for names that are computed at run time. */
type Topics = {
  trades: Trade;
  [quote: `quotes.${string}`]: Quote;
};

await using publisher = new Publisher<Topics>();
const address = await publisher.bind("tcp://127.0.0.1:*");

// Each subscriber receives only the topics to which it subscribes.
await using tape = new Subscriber<Topics>();
tape.subscribe("trades");
tape.connect(address);

await using quotes = new Subscriber<Topics>();
quotes.subscribe("quotes.nyse.*");
quotes.connect(address);

// A message published before a subscription has arrived does not reach its subscriber.
await publisher.ready({ peers: 2 });

const readers = Promise.all([printTrades(2), printQuotes(2)]);
for (const [symbol, price] of [
  ["IBM", 231.5],
  ["KO", 68.25],
] as const) {
  await publisher.publish(`quotes.nyse.${symbol}`, { bid: price - 0.25, ask: price + 0.25 });
  await publisher.publish(`quotes.lse.${symbol}`, { bid: price - 1, ask: price + 1 });
  await publisher.publish("trades", { symbol, price, size: 100 });
}
for (const line of (await readers).flat()) console.log(line);

async function printTrades(count: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const { topic, value } of tape) {
    // The topic narrows the type: a quote has no price.
    if (topic !== "trades") continue;
    lines.push(`trade ${value.symbol}: ${value.size} at ${value.price}`);
    if (lines.length === count) break;
  }
  return lines;
}

async function printQuotes(count: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const { topic, value } of quotes) {
    if (topic === "trades") continue;
    lines.push(`${topic}: ${value.bid} to ${value.ask}`);
    if (lines.length === count) break;
  }
  return lines;
}
