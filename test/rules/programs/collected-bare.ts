/** Run with --expose-gc: nobody holds a socket of zeromq.js, which is closed then. */
import * as zmq from "zeromq";
import { eventually } from "../../support/eventually.ts";
import { collect } from "./collect.ts";

async function openAndForget(): Promise<string> {
  const pull = new zmq.Pull();
  await pull.bind("tcp://127.0.0.1:*");
  return pull.lastEndpoint!;
}

const address = await openAndForget();
await collect();
const other = new zmq.Pull();
await eventually(() => other.bind(address));
console.log("its address is free");
process.exit(0);
