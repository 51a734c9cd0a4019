/** A worker thread ends in the way that it is told, with sockets open; then the process goes on as if nothing were. */
import { once } from "node:events";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { generateKeyPair, Pull, Push } from "../../../lib/index.ts";
import { startThread } from "../../support/thread.ts";
import { openCouples } from "./every-role.ts";

async function main(how: string): Promise<void> {
  const bystander = new Pull<number>();
  const address = await bystander.bind("tcp://127.0.0.1:*");
  const peer = new Push<number>();
  for (let round = 0; round < 3; round++) {
    const thread = startThread(import.meta.url, { how, address });
    thread.on("error", () => {});
    const ended = new Promise((resolve) => thread.on("exit", resolve));
    const [theirs] = (await once(thread, "message")) as [string];
    peer.connect(theirs);
    await peer.ready();
    await bystander.receive();
    thread.postMessage("end");
    await ended;
    peer.disconnect(theirs);
  }
  const push = new Push<number>();
  push.connect(address);
  await push.ready();
  await push.send(42);
  console.log(await bystander.receive());
  await Promise.all([peer.close(), push.close(), bystander.close()]);
}

async function thread({ how, address }: { how: string; address: string }): Promise<void> {
  const pull = new Pull<number>();
  const push = new Push<number>();
  push.connect(address);
  await push.ready();
  void push.send(1);
  void pull.receive();
  const theirs = await pull.bind("tcp://127.0.0.1:*");
  const couples = openCouples();
  for (const { bound, connected, begin } of how === "close" ? [] : couples) {
    connected.connect(await bound.bind("tcp://127.0.0.1:*"));
    begin();
  }
  for (const { bound, connected } of how === "close" ? couples : []) {
    await Promise.all([bound.close(), connected.close()]);
  }
  const server = new Pull({ security: { ...generateKeyPair(), allow: [] } });
  await server.bind("tcp://127.0.0.1:*");
  parentPort!.postMessage(theirs);
  await once(parentPort!, "message");
  if (how === "exit") process.exit(0);
  if (how === "throw") {
    setImmediate(() => {
      throw new Error("on purpose");
    });
  }
  if (how === "close") await Promise.all([pull.close(), push.close(), server.close()]);
  if (how === "close and exit") {
    void pull.close();
    void push.close();
    process.exit(0);
  }
}

if (isMainThread) await main(process.argv[2]!);
else await thread(workerData);
