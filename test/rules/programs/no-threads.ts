/** Run with UV_THREADPOOL_SIZE=1: binds, unbinds and closes although the pool of threads is blocked. */
import { pbkdf2 } from "node:crypto";
import { Pull, Push } from "../../../lib/index.ts";

let blocked = true;
pbkdf2("", "", 2_000_000, 64, "sha512", () => {
  blocked = false;
});
const pull = new Pull<number>();
const push = new Push<number>();
for (let round = 0; round < 5; round++) {
  const address = await pull.bind("tcp://127.0.0.1:*");
  push.connect(address);
  await push.ready();
  await push.send(round);
  if ((await pull.receive()) !== round) throw new Error("lost");
  push.disconnect(address);
  await pull.unbind(address);
}
await Promise.all([pull.close(), push.close()]);
console.log(blocked ? "blocked throughout" : "the pool was free again");
process.exit(0);
