/** Two threads talk over inproc, both ways; each side binds once. */
import { once } from "node:events";
import { isMainThread, workerData } from "node:worker_threads";
import { Pull, Push, Replier, Requester } from "../../../lib/index.ts";
import { startThread } from "../../support/thread.ts";

const COUNT = 10_000;

async function main(): Promise<void> {
  const push = new Push<number>();
  await push.bind("inproc://jobs");
  const pull = new Pull<number>();
  pull.connect("inproc://results");
  const replier = new Replier<number, number>();
  await replier.bind("inproc://questions");
  void replier.serve((question) => question + 1);
  const thread = startThread(import.meta.url, COUNT);
  const lost = new Promise((resolve) => push.on("peerLost", resolve));
  const ended = Promise.all([once(thread, "exit"), lost]);
  await Promise.all([push.ready(), pull.ready()]);
  let sum = 0;
  const summed = (async () => {
    for (let index = 0; index < COUNT; index++) sum += await pull.receive();
  })();
  for (let index = 0; index < COUNT; index++) await push.send(index);
  await summed;
  await ended;
  console.log(sum);
  await Promise.all([push.close(), pull.close(), replier.close()]);
}

async function thread(count: number): Promise<void> {
  await using pull = new Pull<number>();
  pull.connect("inproc://jobs");
  await using push = new Push<number>();
  await push.bind("inproc://results");
  await using requester = new Requester<number, number>();
  requester.connect("inproc://questions");
  if ((await requester.request(41)) !== 42) throw new Error("wrong answer");
  for (let index = 0; index < count; index++) await push.send((await pull.receive()) * 2);
}

if (isMainThread) await main();
else await thread(workerData);
