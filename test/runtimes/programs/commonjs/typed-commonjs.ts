import { Pull, Push } from "brokerless";
import { FileJournal } from "brokerless/journal";
import { WorkQueue } from "brokerless/patterns/work-queue";

async function main(): Promise<void> {
  const push = new Push<{ readonly text: string }>();
  const pull = new Pull<{ readonly text: string }>();
  pull.connect(await push.bind("inproc://typed"));
  await push.send({ text: "typed" });
  const { text }: { readonly text: string } = await pull.receive();
  console.log(text, typeof FileJournal, typeof WorkQueue);
  for (const socket of [push, pull]) await socket.close();
}

void main();
