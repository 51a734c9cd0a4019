/** Closes with messages undelivered: for nobody, or for a peer that does not read. Ends by itself. */
import assert from "node:assert/strict";
import { Dealer, Publisher, Push } from "../../../lib/index.ts";
import { eventually } from "../../support/eventually.ts";

const [address] = process.argv.slice(2);
const options = { lingerMs: 200, batch: false, peerFramesMax: 100_000 } as const;
const push = new Push<Buffer>(options);
const dealer = new Dealer<Buffer>(options);
const publisher = new Publisher(options);
for (const socket of [push, dealer, publisher]) socket.connect(address!);
const isReady = process.argv[3] === "ready";
if (isReady) await push.ready();
const bytes = Buffer.alloc(10_000);
for (let index = 0; index < 2_000; index++) {
  void push.send(bytes);
  void dealer.send(bytes);
  void publisher.publish("a", bytes);
}
// ZeroMQ has all that it takes: the publisher's, which nobody is subscribed to, and what the peer does not read.
await eventually(() => {
  for (const socket of isReady ? [push, publisher] : [publisher]) {
    const { queuedMessages, waitingSends } = socket.stats();
    assert.equal(queuedMessages + waitingSends, 0);
  }
});
const startMs = performance.now();
await Promise.all([push.close(), dealer.close(), publisher.close()]);
process.on("exit", () => console.log(`ended after ${Math.round(performance.now() - startMs)} ms`));
