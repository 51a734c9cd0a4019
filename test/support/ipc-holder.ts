import { parentPort, workerData } from "node:worker_threads";
import { Pull } from "../../lib/index.ts";

/** Binds a path behind a gate, and ends its thread when told to, without a close. */
const pull = new Pull<number>({ gate: true });
await pull.bind(`ipc://${workerData as string}`);
parentPort!.on("message", () => process.exit());
parentPort!.postMessage("bound");
