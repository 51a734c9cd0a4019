/** Sends 100,000 messages that nobody awaits, from each role that sends, with a peer and without. */
import { Dealer, Publisher, Pull, Push, Router, Subscriber } from "../../../lib/index.ts";

const COUNT = 100_000;

const push = new Push<number>();
const pull = new Pull<number>();
push.connect(await pull.bind("tcp://127.0.0.1:*"));
const dealer = new Dealer<number>();
const router = new Router<number>();
dealer.connect(await router.bind("tcp://127.0.0.1:*"));
const publisher = new Publisher<{ a: number }>({ slowSubscribers: "wait" });
const subscriber = new Subscriber<{ a: number }>();
subscriber.subscribe("a");
subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
await publisher.ready();
const nobody = [new Push<number>(), new Dealer<number>()];
const unheard = new Publisher<{ a: number }>();
await unheard.bind("tcp://127.0.0.1:*");

for (let index = 0; index < COUNT; index++) {
  void push.send(index);
  void dealer.send(index);
  void publisher.publish("a", index);
  for (const socket of nobody) void socket.send(index);
  void unheard.publish("a", index);
}

async function count(values: AsyncIterable<unknown>): Promise<number> {
  let seen = 0;
  for await (const _ of values) if (++seen === COUNT) break;
  return seen;
}

console.log(await Promise.all([count(pull), count(router), count(subscriber)]));
for (const socket of nobody) console.log(socket.stats().queuedMessages);
await unheard.drain();
const sockets = [push, pull, dealer, router, publisher, subscriber, unheard, ...nobody];
await Promise.all(sockets.map((socket) => socket.close()));
