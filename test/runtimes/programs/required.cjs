const { Pull, Push } = require("brokerless");
const { FileJournal } = require("brokerless/journal");
const { WorkQueue } = require("brokerless/patterns/work-queue");

async function main() {
  const push = new Push();
  const pull = new Pull();
  pull.connect(await push.bind("inproc://required"));
  await push.send("required");
  console.log(await pull.receive(), typeof FileJournal, typeof WorkQueue);
  for (const socket of [push, pull]) await socket.close();
}

void main();
