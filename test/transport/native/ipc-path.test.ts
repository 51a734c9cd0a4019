import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Pull, Push } from "../../../lib/index.ts";
import { bindFreePath } from "../../../lib/transport/native/ipc-path.ts";
import { errorsOf, open, range } from "../../support/fixtures.ts";
import { startThread } from "../../support/thread.ts";

const REFUSED = { name: "BrokerlessError", code: "BROKERLESS_ADDRESS", retryable: true } as const;

function pathOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "socket");
}

/** A socket's file at which nobody listens any more, as a process that was killed leaves it. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.before`);
  await once(server, "listening");
  renameSync(`${path}.before`, path);
  server.close();
  await once(server, "close");
}

test("ipc path: a path in use is refused, and its owner keeps working", async (t) => {
  const address = `ipc://${pathOf(t)}`;
  const first = open(t, new Push<string>());
  await first.bind(address);
  const second = open(t, new Push<string>());
  await assert.rejects(second.bind(address), REFUSED);
  await assert.rejects(second.bind(address.replace("/socket", "/./socket")), REFUSED);
  const pull = open(t, new Pull<string>());
  pull.connect(address);
  await first.send("from the first");
  assert.equal(await pull.receive(), "from the first");
  await first.close();
  assert.equal(await second.bind(address), address);
});

test("ipc path: control: libzmq by itself takes it over silently", async (t) => {
  const address = `ipc://${pathOf(t)}`;
  const sockets = [new zmq.Push({ linger: 0 }), new zmq.Push({ linger: 0 })];
  t.after(() => sockets.forEach((socket) => void socket.close()));
  for (const socket of sockets) socket.bindSync(address);
});

test("ipc path: of many concurrent binds, one succeeds", async (t) => {
  const address = `ipc://${pathOf(t)}`;
  for (let round = 0; round < 10; round++) {
    const sockets = range(5).map(() => open(t, new Pull<number>()));
    const bound = await Promise.allSettled(sockets.map((socket) => socket.bind(address)));
    assert.equal(bound.filter(({ status }) => status === "fulfilled").length, 1);
    await Promise.all(sockets.map((socket) => socket.close()));
  }
});

test("ipc path: of concurrent binds in many threads, one succeeds", async (t) => {
  if (process.platform !== "linux") return t.skip("the lock is an abstract socket of Linux");
  const path = pathOf(t);
  const module = new URL("../../support/ipc-binder.ts", import.meta.url).href;
  const workers = range(4).map(() => startThread(module, path));
  t.after(() => Promise.all(workers.map((worker) => worker.terminate())));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const said = Promise.all(workers.map((worker) => once(worker, "message")));
  for (const worker of workers) worker.postMessage("go");
  assert.deepEqual((await said).flat().sort(), ["EADDRINUSE", "EADDRINUSE", "EADDRINUSE", "bound"]);
});

test("ipc path: the file of a killed process is replaced", async (t) => {
  const path = pathOf(t);
  await leaveStale(path);
  const pull = open(t, new Pull<number>());
  const push = open(t, new Push<number>());
  push.connect(await pull.bind(`ipc://${path}`));
  await push.send(1);
  assert.equal(await pull.receive(), 1);
  assert.deepEqual(errorsOf(pull), []);
});

test("ipc path: a file, or a link, is not removed", async (t) => {
  const path = pathOf(t);
  writeFileSync(path, "precious");
  const pull = open(t, new Pull<number>());
  await assert.rejects(pull.bind(`ipc://${path}`), { ...REFUSED, message: /not a socket/ });
  assert.equal(readFileSync(path, "utf8"), "precious");
  const link = `${path}.link`;
  symlinkSync(path, link);
  await assert.rejects(pull.bind(`ipc://${link}`), REFUSED);
  assert.equal(readFileSync(link, "utf8"), "precious");
});

test("ipc path: an abstract name in use is refused by the system", async (t) => {
  if (process.platform !== "linux") return t.skip("abstract names are of Linux");
  const address = `ipc://@brokerless-test-${process.pid}`;
  const first = open(t, new Pull<number>());
  await first.bind(address);
  await assert.rejects(open(t, new Pull<number>()).bind(address), REFUSED);
});

test("ipc path: a failed bind does not block the next one", async (t) => {
  const path = pathOf(t);
  await assert.rejects(bindFreePath(path, () => assert.fail("the first one fails")));
  assert.equal(await bindFreePath(path, () => "bound"), "bound");
});
