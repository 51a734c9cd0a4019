/** Run with UV_THREADPOOL_SIZE=1: binds, unbinds and closes although the pool of threads is blocked. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pull, Push } from "../../../lib/index.ts";

const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
const fifo = join(directory, "fifo");
execFileSync("mkfifo", [fifo]);
// It takes the only thread of the pool until the other end is opened.
const reader = open(fifo);
let isOpen = false;
void reader.then(() => {
  isOpen = true;
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
console.log(isOpen ? "the pool was free" : "blocked throughout");
closeSync(openSync(fifo, "w"));
await (await reader).close();
rmSync(directory, { recursive: true });
