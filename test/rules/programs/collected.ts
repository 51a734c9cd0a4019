/** Run with --expose-gc: nobody holds the sockets, and yet they stay open. */
import { Pull, Push } from "../../../lib/index.ts";

let received = 0;

async function openAndForget(): Promise<string> {
  const pull = new Pull<number>();
  void pull.run(() => {
    received += 1;
  });
  const idle = new Pull<number>();
  await idle.bind("tcp://127.0.0.1:*");
  return await pull.bind("tcp://127.0.0.1:*");
}

async function collect(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    globalThis.gc!();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const address = await openAndForget();
await collect();
const push = new Push<number>();
push.connect(address);
await push.ready();
await collect();
for (let index = 0; index < 1_000; index++) await push.send(index);
while (received < 1_000) await collect();
console.log(received);
process.exit(0);
