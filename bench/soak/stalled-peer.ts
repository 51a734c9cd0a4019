/** A receiver in a process of its own that accepts a connection and never reads a message. */
import { Pull } from "zeromq";

const pull = new Pull({ receiveHighWaterMark: 1 });
await pull.bind("tcp://127.0.0.1:*");
process.send?.(pull.lastEndpoint, () => {});
process.on("disconnect", () => process.exit(0));
// The parent may have ended while this process was loading.
if (process.connected === false) process.exit(0);
