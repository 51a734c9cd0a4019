/** A ROUTER, ours or one of zeromq.js, on loopback; says where, and what it calls its first nameless peer. */
import { createInterface } from "node:readline";
import * as zmq from "zeromq";
import { Router, raw } from "../../../lib/index.ts";

if (process.argv[2] === "bare") {
  const router = new zmq.Router();
  await router.bind("tcp://127.0.0.1:*");
  console.log(`start ${router.lastEndpoint}`);
  const [id] = await router.receive();
  console.log(`peer #${id!.toString("hex")}`);
  void router.receive().catch(() => {});
} else {
  const router = new Router<Uint8Array>({ codec: raw(), batch: false });
  console.log(`start ${await router.bind("tcp://127.0.0.1:*")}`);
  const { peer } = await router.receive();
  console.log(`peer ${peer}`);
}
createInterface({ input: process.stdin }).on("line", () => console.log("alive"));
