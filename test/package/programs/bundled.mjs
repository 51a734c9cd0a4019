import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pull, Push } from "brokerless";
import { FileJournal } from "brokerless/journal";

// No await outside of a function: CommonJS has none.
async function main() {
  const push = new Push();
  const pull = new Pull();
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await push.send("pushed");
  console.log(await pull.receive());
  for (const socket of [push, pull]) await socket.close();

  const directory = await mkdtemp(join(tmpdir(), "brokerless-bundled-"));
  const journal = await FileJournal.open(directory);
  await journal.append(Buffer.from("stored"));
  for await (const { seq, value } of journal.read())
    console.log(seq, Buffer.from(value).toString());
  await journal.close();
  await rm(directory, { recursive: true });
}

void main();
