/** Values over each transport and through a journal: what a runtime must be able to do. Also what bundlers are given. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pull, Push, Replier, Requester } from "brokerless";
import { FileJournal } from "brokerless/journal";

async function exchange(address) {
  const push = new Push();
  const pull = new Pull();
  pull.connect(await push.bind(address));
  await push.send({ over: address });
  const { over } = await pull.receive();
  for (const socket of [push, pull]) await socket.close();
  return over;
}

async function ask() {
  const replier = new Replier();
  const requester = new Requester();
  void replier.serve((number) => number + 1);
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  const answer = await requester.request(41);
  for (const socket of [replier, requester]) await socket.close();
  return answer;
}

async function settle(directory) {
  const journal = await FileJournal.open(directory);
  const push = new Push({ journal });
  const pull = new Pull({ reliable: true });
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  const running = pull.run(() => {});
  await push.send("durable", { confirm: "processed" });
  for (const socket of [push, pull, journal]) await socket.close();
  await running;
}

// No await outside of a function: the same program is bundled as CommonJS.
async function main() {
  const folder = await mkdtemp(join(tmpdir(), "brokerless-runtimes-"));
  try {
    for (const address of ["inproc://exchange", `ipc://${folder}/socket`, "tcp://127.0.0.1:*"]) {
      await exchange(address);
    }
    const answer = await ask();
    await settle(join(folder, "journal"));
    console.log("exchanged", answer);
  } finally {
    await rm(folder, { recursive: true });
  }
}

void main();
