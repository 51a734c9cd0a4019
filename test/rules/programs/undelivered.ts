/** Closes with messages undelivered: for nobody, or for a peer that does not read. Ends by itself. */
import { Dealer, Publisher, Push } from "../../../lib/index.ts";

const [address] = process.argv.slice(2);
const options = { lingerMs: 200, batch: false, peerFramesMax: 100_000 } as const;
const push = new Push<Buffer>(options);
const dealer = new Dealer<Buffer>(options);
const publisher = new Publisher(options);
for (const socket of [push, dealer, publisher]) socket.connect(address!);
if (process.argv[3] === "ready") await push.ready();
const bytes = Buffer.alloc(10_000);
for (let index = 0; index < 2_000; index++) {
  void push.send(bytes);
  void dealer.send(bytes);
  void publisher.publish("a", bytes);
}
await new Promise((resolve) => setTimeout(resolve, 100));
const startMs = performance.now();
await Promise.all([push.close(), dealer.close(), publisher.close()]);
process.on("exit", () => console.log(`ended after ${Math.round(performance.now() - startMs)} ms`));
