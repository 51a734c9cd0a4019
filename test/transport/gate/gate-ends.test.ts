/** One side of a gate ends while the other has not read everything: nothing of what was written is lost. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Gate } from "../../../lib/transport/gate/gate.ts";
import { frame, greeting, ready } from "../../support/zmtp-frames.ts";

const CHUNK = Buffer.alloc(1_000, 7);

interface Passage {
  /** Of the peer, and of what stands for libzmq. */
  readonly outside: Socket;
  readonly inside: Socket;
  /** The two of the gate: towards the peer, and towards libzmq. */
  readonly toPeer: Socket;
  readonly toInner: Socket;
}

/** A peer that has greeted through a gate. */
async function passThrough(t: TestContext): Promise<Passage> {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "inner");
  const inner = createServer();
  inner.listen(path);
  await once(inner, "listening");
  t.after(() => inner.close());
  const gate = await Gate.open({
    place: { host: "127.0.0.1", port: 0 },
    path,
    limits: { partsMax: 1, messageBytesMax: 2 ** 20, topicBytesMax: 0, connectionsMax: 10 },
    mechanism: "NULL",
    handshakeMsMax: 60_000,
    heartbeatMs: 0,
    identities: null,
    onRefused: assert.fail,
  });
  t.after(() => gate.close(0));
  const opened = openedSockets(t);
  const entered = once(inner, "connection") as Promise<[Socket]>;
  const outside = connect(Number(new URL(gate.address).port), "127.0.0.1");
  const [inside] = await entered;
  const [toPeer] = opened.accepted.filter(({ remoteAddress }) => remoteAddress !== undefined);
  const [toInner] = opened.connected.filter((socket) => socket !== outside);
  for (const socket of [outside, inside]) {
    socket.on("error", () => {});
    t.after(() => socket.destroy());
  }
  outside.write(Buffer.concat([greeting(), ready("PUSH")]));
  inside.once("readable", () => {});
  return { outside, inside, toPeer: toPeer!, toInner: toInner! };
}

function openedSockets(t: TestContext): {
  readonly accepted: Socket[];
  readonly connected: Socket[];
} {
  const accepted: Socket[] = [];
  const connected: Socket[] = [];
  const onAccepted = (message: unknown): void => {
    accepted.push((message as { socket: Socket }).socket);
  };
  const onConnected = (message: unknown): void => {
    connected.push((message as { socket: Socket }).socket);
  };
  subscribe("net.server.socket", onAccepted);
  subscribe("net.client.socket", onConnected);
  t.after(() => unsubscribe("net.server.socket", onAccepted));
  t.after(() => unsubscribe("net.client.socket", onConnected));
  return { accepted, connected };
}

/** Writes to one end, until the gate holds bytes for the other that does not read; then ends. @returns bytes written */
async function fill(from: Socket, holder: Socket, chunk: Buffer): Promise<number> {
  let bytes = 0;
  while (holder.writableLength === 0) {
    from.write(chunk);
    bytes += chunk.length;
    await turn();
  }
  from.end();
  return bytes;
}

async function countBytes(socket: Socket): Promise<number> {
  let bytes = 0;
  for await (const chunk of socket) bytes += (chunk as Buffer).length;
  return bytes;
}

test("gate: a peer gets all that libzmq wrote before it ended the connection", async (t) => {
  const { outside, inside, toPeer, toInner } = await passThrough(t);
  outside.pause();
  const bytes = await fill(inside, toPeer, CHUNK);
  inside.resume();
  if (!toInner.closed) await once(toInner, "close");
  assert.equal(await countBytes(outside), bytes);
});

test("gate: libzmq gets all that a peer wrote before it ended the connection", async (t) => {
  const { outside, inside, toPeer, toInner } = await passThrough(t);
  inside.pause();
  const bytes = await fill(outside, toInner, frame(CHUNK));
  outside.resume();
  if (!toPeer.closed) await once(toPeer, "close");
  const head = Buffer.concat([greeting(), ready("PUSH")]).length;
  assert.equal(await countBytes(inside), head + bytes);
});
