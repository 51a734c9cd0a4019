/** Sockets in a worker thread that is terminated after its last one was closed, and in a child process. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Pull, Push } from "brokerless";

async function sendTo(address) {
  // Nobody says here that it has arrived: for a machine on which that takes more than a second.
  const push = new Push({ lingerMs: 60_000 });
  push.connect(address);
  await push.send(address);
  await push.drain();
  await push.close();
}

async function main() {
  const [near, far] = [new Pull(), new Pull()];
  const worker = new Worker(new URL(import.meta.url), {
    workerData: await near.bind("inproc://threads"),
  });
  await Promise.all([near.receive(), once(worker, "message")]);
  await worker.terminate();
  const child = fork(fileURLToPath(import.meta.url), [await far.bind("tcp://127.0.0.1:*")]);
  const [[status]] = await Promise.all([once(child, "exit"), far.receive()]);
  for (const socket of [near, far]) await socket.close();
  console.log("a thread and a child sent", status);
}

if (!isMainThread) {
  await sendTo(workerData);
  parentPort.postMessage("closed");
} else if (process.argv[2] === undefined) await main();
else await sendTo(process.argv[2]);
