/** Threads talk over inproc, both ways, and what a thread has sent outlives it. */
import { once } from "node:events";
import { isMainThread, workerData } from "node:worker_threads";
import { Pull, Push, Replier, Requester, raw } from "../../../lib/index.ts";
import { startThread } from "../../support/thread.ts";

const COUNT = 10_000;
/** A thread ends when it has sent all; the main thread may not come to read for more than a second. */
const PATIENT = { lingerMs: 60_000 } as const;
const LENGTHS = [0, 1, 128, 129, 1_000, 65_536, 1_000_000];

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

/** Three threads send frames of every length and end; only then is it read what they have sent. */
async function outlive(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const pull = new Pull({ codec: raw(), batch: false });
    await pull.bind("inproc://lengths");
    const thread = startThread(import.meta.url, "lengths");
    await once(thread, "exit");
    // What is freed by then is overwritten.
    const clutter = LENGTHS.map((length) => new Uint8Array(length).fill(255));
    for (const length of LENGTHS) {
      const bytes = await pull.receive();
      const wrong = bytes.findIndex((byte, index) => byte !== index % 251);
      if (bytes.length !== length || wrong >= 0) console.log(`${length} bytes: wrong at ${wrong}`);
    }
    if (clutter.length === 0) throw new Error("never");
    await pull.close();
  }
}

async function sendLengths(): Promise<void> {
  await using push = new Push({ codec: raw(), batch: false, ...PATIENT });
  push.connect("inproc://lengths");
  try {
    push.connect("tcp://127.0.0.1:1");
    console.log("its frames would reach others in a form that is for threads");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  await push.ready();
  for (const length of LENGTHS) {
    await push.send(Uint8Array.from({ length }, (_, index) => index % 251));
  }
}

async function thread(count: number): Promise<void> {
  await using pull = new Pull<number>();
  pull.connect("inproc://jobs");
  await using push = new Push<number>(PATIENT);
  await push.bind("inproc://results");
  await using requester = new Requester<number, number>();
  requester.connect("inproc://questions");
  if ((await requester.request(41)) !== 42) throw new Error("wrong answer");
  for (let index = 0; index < count; index++) await push.send((await pull.receive()) * 2);
}

if (isMainThread) {
  await main();
  await outlive();
} else if (workerData === "lengths") await sendLengths();
else await thread(workerData);
