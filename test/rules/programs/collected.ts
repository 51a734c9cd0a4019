/** Run with --expose-gc: nobody holds the sockets, and yet they stay open. */
import { Pull, Push } from "../../../lib/index.ts";
import { collect } from "./collect.ts";

let received = 0;

/** @returns the addresses of one that is read from, and of others that nobody does anything with */
async function openAndForget(): Promise<[string, ...string[]]> {
  const pull = new Pull<number>();
  void pull.run(() => {
    received += 1;
  });
  const address = await pull.bind("tcp://127.0.0.1:*");
  const idle = await new Pull<number>().bind("tcp://127.0.0.1:*");
  return [address, idle, await new Pull<number>().bind("inproc://idle")];
}

const [address, ...idle] = await openAndForget();
await collect();
const push = new Push<number>();
push.connect(address);
await push.ready();
for (const each of idle) {
  const other = new Push<number>();
  other.connect(each);
  await other.ready();
}
await collect();
for (let index = 0; index < 1_000; index++) await push.send(index);
while (received < 1_000) await collect();
console.log(received);
process.exit(0);
