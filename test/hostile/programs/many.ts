/** Opens sockets of each sort until the system says that there are too many, says how that ends, and goes on. */
import { Pull, Push, type Router, Router as RouterSocket } from "../../../lib/index.ts";

const SORTS: readonly (() => Pull | Push | Router)[] = [
  () => new Pull(),
  () => new RouterSocket(),
  () => new Push({ reliable: true }),
];
const USES = ["tcp://127.0.0.1:1", "inproc://nobody"];

for (const make of SORTS) {
  for (const address of USES) {
    const sockets: (Pull | Push | Router)[] = [];
    let error: unknown = null;
    while (error === null && sockets.length < 1_000) {
      try {
        const socket = make();
        sockets.push(socket);
        socket.connect(address);
      } catch (thrown) {
        error = thrown;
      }
    }
    const { name, code, retryable } = error as { name: string; code: string; retryable: boolean };
    for (const socket of sockets) await socket.close();
    console.log(name, code, retryable);
  }
}
process.exit();
