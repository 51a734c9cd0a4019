/** Threads close all their sockets, or leave them open, say so, and are terminated at once. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import {
  generateKeyPair,
  Publisher,
  Pull,
  Push,
  Subscriber,
  type TypedSocket,
} from "../../../lib/index.ts";
import { startThread } from "../../support/thread.ts";
import { openCouples } from "./every-role.ts";

const ROUNDS = 4;

async function main(how: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  for (let round = 0; round < ROUNDS; round++) {
    const thread = startThread(import.meta.url, { how, directory });
    const failed = once(thread, "error").then(([error]) => Promise.reject(error));
    await Promise.race([once(thread, "message"), failed]);
    failed.catch(() => {});
    await thread.terminate();
  }
  rmSync(directory, { recursive: true });
  console.log("went on");
}

/** Sockets of every role, over every transport, and in states that are no use. */
async function openAll(directory: string): Promise<TypedSocket[]> {
  const sockets: TypedSocket[] = [];
  for (const address of ["tcp://127.0.0.1:*", `ipc://${directory}/couple`]) {
    for (const { bound, connected, begin } of openCouples()) {
      const at = await bound.bind(
        address.startsWith("ipc") ? `${address}-${sockets.length}` : address,
      );
      connected.connect(at);
      begin();
      sockets.push(bound, connected);
    }
  }
  const sender = new Push({ reliable: true });
  const receiver = new Pull({ reliable: true, gate: true });
  sender.connect(await receiver.bind("tcp://127.0.0.1:*"));
  await sender.send(1);
  await receiver.receive();
  sender.connect("tcp://127.0.0.1:1");
  sender.disconnect("tcp://127.0.0.1:1");
  const keys = generateKeyPair();
  const server = new Pull({ security: { ...keys, allow: [] } });
  await server.bind("tcp://127.0.0.1:*");
  const failed = new Push();
  const holder = new Pull();
  await failed.bind(await holder.bind("tcp://127.0.0.1:*")).catch(() => {});
  const waiting = new Pull();
  waiting.connect("inproc://nobody-binds-it");
  const publisher = new Publisher();
  const subscriber = new Subscriber();
  await publisher.bind("inproc://published");
  subscriber.connect("inproc://published");
  sockets.push(sender, receiver, server, holder, failed, waiting, subscriber, new Pull());
  return [...sockets, publisher as unknown as TypedSocket];
}

async function thread({ how, directory }: { how: string; directory: string }): Promise<void> {
  const sockets = await openAll(directory);
  if (how === "closed at once") await Promise.all(sockets.map((socket) => socket.close()));
  if (how === "closed in turn") for (const socket of sockets) await socket.close();
  if (how === "disposed") for (const socket of sockets) await socket[Symbol.asyncDispose]();
  parentPort!.postMessage("done");
  setInterval(() => {}, 1_000);
}

if (isMainThread) await main(process.argv[2]!);
else await thread(workerData);
