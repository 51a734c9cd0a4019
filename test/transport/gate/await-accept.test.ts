/** Between the look for descriptors and libzmq's accept the program must not get a turn: it may take the last one. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Worker } from "node:worker_threads";
import { awaitAccept } from "../../../lib/transport/gate/await-accept.ts";
import { Gate } from "../../../lib/transport/gate/gate.ts";
import { Descriptors } from "../../../lib/transport/native/descriptors.ts";

/** Stands for libzmq's thread: greets whom it accepts, or nobody. */
const LISTENER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { createServer } = require("node:net");
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (workerData.greets) socket.write("greeting");
  });
  server.listen(workerData.path, () => parentPort.postMessage("listens"));
`;

async function listen(t: TestContext, greets: boolean): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "inner");
  const worker = new Worker(LISTENER, { eval: true, workerData: { path, greets } });
  t.after(() => worker.terminate());
  await once(worker, "message");
  return path;
}

/** What happened, in order: the accept, or the next turn of the event loop. */
async function orderAtGate(t: TestContext, max: number): Promise<string[]> {
  const path = await listen(t, true);
  // However late the listener gets a core, the wait does not end before.
  t.mock.method(performance, "now", () => 0);
  const seen: string[] = [];
  const descriptors = new Descriptors({ max: () => max, open: () => 50 });
  const take = descriptors.take.bind(descriptors);
  t.mock.method(descriptors, "take", (count: number) => {
    const opened = take(count);
    setImmediate(() => seen.push("turn"));
    return () => {
      if (!seen.includes("accepted")) seen.push("accepted");
      opened?.();
    };
  });
  const limits = { partsMax: 1, messageBytesMax: 100, topicBytesMax: 0, connectionsMax: 10 };
  const gate = await Gate.open({
    place: { host: "127.0.0.1", port: 0 },
    path,
    limits,
    mechanism: "NULL",
    handshakeMsMax: 60_000,
    heartbeatMs: 0,
    identities: null,
    onRefused: () => {},
    descriptors,
  });
  t.after(() => gate.close(0));
  const peer = connect(Number(new URL(gate.address).port), "127.0.0.1");
  peer.on("error", () => {});
  t.after(() => peer.destroy());
  const [greeting] = (await once(peer, "data")) as [Buffer];
  assert.equal(String(greeting), "greeting");
  return seen;
}

test("gate: with few descriptors, nothing runs between the check for them and libzmq's accept", async (t) => {
  assert.deepEqual(await orderAtGate(t, 300), ["accepted", "turn"]);
});

test("gate: with plenty of descriptors, no connection waits for an accept", async (t) => {
  assert.deepEqual(await orderAtGate(t, 100_000), ["turn", "accepted"]);
});

test("await accept: a connection that is not accepted, or was never made, ends the wait", async (t) => {
  const path = await listen(t, false);
  const silent = connect(path);
  t.after(() => silent.destroy());
  assert.equal(awaitAccept(silent), false);
  const nowhere = connect(`${path}-nowhere`);
  const failed = once(nowhere, "error");
  assert.equal(awaitAccept(nowhere), false);
  await failed;
});
