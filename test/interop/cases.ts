import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Codec, json, msgpack, raw, type TypedSocket } from "../../lib/index.ts";
import { type PeerConfig, type PeerKind, PythonPeer } from "./python-peer.ts";

/** One way in which two peers may meet. */
export interface Case {
  readonly title: string;
  readonly transport: "tcp" | "ipc";
  /** Who binds; the other one connects. */
  readonly binder: "brokerless" | "python";
  readonly codec: PeerConfig["codec"];
  readonly batch: boolean;
}

/**
 * Every transport with every codec, batched or not. Who binds goes by turns, so that each side does so with
 * each of them.
 */
export const cases: readonly Case[] = (["tcp", "ipc"] as const).flatMap((transport, t) =>
  (["msgpack", "raw", "json"] as const).flatMap((codec, c) =>
    [true, false].map((batch, b): Case => {
      const binder = (t + c + b) % 2 === 0 ? "brokerless" : "python";
      const frames = batch ? "batches" : "one value a frame";
      return {
        title: `${transport}, ${codec}, ${frames}, ${binder} binds`,
        transport,
        codec,
        batch,
        binder,
      };
    }),
  ),
);

/** Options of the brokerless side, with a codec of its own. */
export function optionsOf({ codec, batch }: Case): { codec: Codec<unknown>; batch?: false } {
  const codecs = {
    msgpack: () => msgpack(),
    json: () => json(),
    raw: () => raw() as Codec<unknown>,
  };
  return { codec: codecs[codec](), ...(batch ? {} : { batch: false }) };
}

/** Starts a Python peer and joins it with `socket`, which is closed after the test. */
export async function meet(
  t: TestContext,
  socket: Pick<TypedSocket, "bind" | "connect" | "close">,
  { kind, at, ...more }: { kind: PeerKind; at: Case } & Pick<PeerConfig, "options" | "prefixes">,
): Promise<PythonPeer> {
  t.after(() => socket.close());
  const config = { codec: at.codec, batch: at.batch, ...more };
  const address = freeAddress(t, at.transport);
  if (at.binder === "brokerless") {
    return PythonPeer.start(t, kind, { ...config, connect: await socket.bind(address) });
  }
  const peer = await PythonPeer.start(t, kind, { ...config, bind: address });
  socket.connect(peer.address);
  return peer;
}

/** Values of every kind that the codec knows; one is longer than a frame. */
export function sampleValues(codec: Case["codec"], count: number): unknown[] {
  if (codec === "raw") {
    return Array.from({ length: count }, (_, index) => {
      if (index === 1) return Buffer.alloc(0);
      return Buffer.alloc(index === 3 ? 200_000 : (index * 37) % 300, index);
    });
  }
  const special = [
    null,
    true,
    0,
    -1,
    0.1,
    2 ** 31,
    2 ** 40,
    -(2 ** 40),
    Number.MAX_SAFE_INTEGER,
    "",
    "Grüße, 世界 🌍",
    "x".repeat(200_000),
    [],
    [1, [2, [3]]],
    {},
    { nested: { list: [1, "two", null] }, "": 0 },
    ...(codec === "msgpack" ? [Buffer.from([0, 1, 255]), Buffer.alloc(300, 7)] : []),
  ];
  const plain = Array.from({ length: count - special.length }, (_, id) => ({
    id,
    price: id / 8,
    name: `n${id}`,
  }));
  return [...special, ...plain];
}

/**
 * What becomes of a sample value on the way from Python: an integer of more than 32 bits travels as such in
 * MessagePack, and a 64-bit integer is always a BigInt here.
 */
export function fromPython(codec: Case["codec"]): (value: unknown) => unknown {
  if (codec !== "msgpack") return (value) => value;
  return (value) => {
    const isLong = Number.isInteger(value) && Math.abs(Number(value)) > 2 ** 32;
    return isLong ? BigInt(value as number) : value;
  };
}

function freeAddress(t: TestContext, transport: Case["transport"]): string {
  if (transport === "tcp") return "tcp://127.0.0.1:*";
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return `ipc://${directory}/socket`;
}
