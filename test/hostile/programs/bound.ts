/** A Pull that is bound where it is told, ours or one of zeromq.js; says where, and that it still lives when asked. */
import { createInterface } from "node:readline";
import * as zmq from "zeromq";
import { Pull } from "../../../lib/index.ts";

const [whose, address] = process.argv.slice(2) as [string, string];
if (whose === "bare") {
  const pull = new zmq.Pull();
  await pull.bind(address);
  // It is collected, and closed, when nothing waits on it; and a wait ends early when descriptors run out.
  const wait = (): Promise<unknown> => pull.receive().then(wait, wait);
  void wait();
  console.log(`start ${pull.lastEndpoint}`);
} else {
  const pull = new Pull({ ...(whose === "gated" ? { gate: true } : {}) });
  const bound = await pull.bind(address);
  void pull.receive().then(() => console.log("got a message"));
  console.log(`start ${bound}`);
}
createInterface({ input: process.stdin }).on("line", () => console.log("alive"));
