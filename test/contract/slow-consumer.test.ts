/**
 * A consumer that takes longer for a message than a dead peer is given: it is slow, not dead, and nothing is lost.
 * ZeroMQ's own heartbeats are the yardstick for the time, and the control: they do not tell the two apart.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import { type NativeKind, openNative } from "../../lib/transport/native/native.ts";
import { runChild } from "../support/child.ts";
import { eachTransport, type Wire } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, gate, open } from "../support/fixtures.ts";

const HEARTBEAT_MS = 20;
const COUNT = 200;
const BODY = Buffer.alloc(16_384);
/** So few frames in ZeroMQ that a slow consumer stops reading. */
const OPTIONS = { heartbeatMs: HEARTBEAT_MS, peerFramesMax: 4, batch: false } as const;

/** Resolves when a consumer that stands still has been cut off by ZeroMQ's heartbeats of the same length. */
async function heartbeatsMissed(): Promise<void> {
  const push = new zmq.Push({ linger: 0, heartbeatInterval: HEARTBEAT_MS });
  const pull = new zmq.Pull({ linger: 0, receiveHighWaterMark: 1 });
  push.heartbeatTimeout = 3 * HEARTBEAT_MS;
  const cut = gate();
  push.events.on("disconnect", () => cut.open());
  await push.bind("tcp://127.0.0.1:*");
  pull.connect(push.lastEndpoint!);
  // Until the window of the connection is closed, and no ping gets through.
  const sending = (async () => {
    for (;;) await push.send(Buffer.alloc(100_000));
  })().catch(() => {});
  await cut.promise;
  push.close();
  pull.close();
  await sending;
}

interface Flow {
  readonly send: (index: number) => Promise<unknown>;
  readonly receive: () => Promise<number>;
  readonly consumer: { on(event: "peerLost", listener: () => void): unknown };
}

/** @param join connects the two, whoever binds */
type MakeFlow = (
  t: TestContext,
  join: (
    binds: Parameters<Wire["join"]>[0],
    connects: Parameters<Wire["join"]>[1],
  ) => Promise<unknown>,
) => Promise<Flow>;

const numbered = (index: number): Buffer => {
  const body = Buffer.from(BODY);
  body.writeUInt32LE(index);
  return body;
};
const numberOf = (body: Uint8Array): number => Buffer.from(body).readUInt32LE();
const options = () => ({ ...OPTIONS, codec: raw() });

const FLOWS: Readonly<Record<string, MakeFlow>> = {
  "a Pull that connects": async (t, join) => {
    const push = open(t, new Push<Uint8Array>(options()));
    const pull = open(t, new Pull<Uint8Array>(options()));
    await join(push, pull);
    const receive = async () => numberOf(await pull.receive());
    return { send: (index) => push.send(numbered(index)), receive, consumer: pull };
  },
  "a Pull that binds": async (t, join) => {
    const push = open(t, new Push<Uint8Array>(options()));
    const pull = open(t, new Pull<Uint8Array>(options()));
    await join(pull, push);
    const receive = async () => numberOf(await pull.receive());
    return { send: (index) => push.send(numbered(index)), receive, consumer: pull };
  },
  "a Dealer": async (t, join) => {
    const from = open(t, new Dealer<Uint8Array>(options()));
    const to = open(t, new Dealer<Uint8Array>(options()));
    await join(from, to);
    const receive = async () => numberOf(await to.receive());
    return { send: (index) => from.send(numbered(index)), receive, consumer: to };
  },
  "a Router": async (t, join) => {
    const from = open(t, new Dealer<Uint8Array>(options()));
    const to = open(t, new Router<Uint8Array>(options()));
    await join(to, from);
    const receive = async () => numberOf((await to.receive()).value);
    return { send: (index) => from.send(numbered(index)), receive, consumer: to };
  },
  "a Subscriber": async (t, join) => {
    const slowSubscribers = "wait";
    const publisher = open(
      t,
      new Publisher<Record<"t", Uint8Array>>({ ...options(), slowSubscribers }),
    );
    const subscriber = open(t, new Subscriber<Record<"t", Uint8Array>>(options()));
    subscriber.subscribe("t");
    await join(publisher, subscriber);
    const receive = async () => numberOf((await subscriber.receive()).value);
    return {
      send: (index) => publisher.publish("t", numbered(index)),
      receive,
      consumer: subscriber,
    };
  },
  "a Replier": async (t, join) => {
    const requester = open(
      t,
      new Requester<Uint8Array, Uint8Array>({ heartbeatMs: HEARTBEAT_MS, codec: raw() }),
    );
    const replier = open(
      t,
      new Replier<Uint8Array, Uint8Array>({
        heartbeatMs: HEARTBEAT_MS,
        peerFramesMax: 4,
        codec: raw(),
      }),
    );
    await join(replier, requester);
    const asked: { body: Uint8Array; answer: (value: Uint8Array) => void }[] = [];
    const came: (() => void)[] = [];
    void replier.serve(
      (body) =>
        new Promise((answer) => {
          asked.push({ body, answer });
          came.shift()?.();
        }),
      { concurrency: 1 },
    );
    const receive = async () => {
      if (asked.length === 0) await new Promise<void>((resolve) => came.push(resolve));
      const { body, answer } = asked.shift()!;
      answer(Buffer.from("done"));
      return numberOf(body);
    };
    return { send: (index) => requester.request(numbered(index)), receive, consumer: replier };
  },
};

for (const [name, make] of Object.entries(FLOWS)) {
  eachTransport(
    `slow consumer: ${name} that stands still for long loses nothing`,
    async (t, wire) => {
      const { send, receive, consumer } = await make(t, (binds, connects) =>
        wire.join(binds, connects),
      );
      const lost: unknown[] = [];
      consumer.on("peerLost", () => lost.push(1));
      const sent = Promise.all(Array.from({ length: COUNT }, (_, index) => send(index)));
      assert.equal(await receive(), 0);
      await heartbeatsMissed();
      for (let index = 1; index < COUNT; index++) assert.equal(await receive(), index);
      await sent;
      assert.equal(lost.length, 0);
    },
  );
}

test("slow consumer: control: with ZeroMQ's heartbeats its process is aborted", async (t) => {
  const program = new URL("programs/native-heartbeats.ts", import.meta.url);
  const { signal, stderr } = await runChild(t, program);
  assert.equal(signal, "SIGABRT", stderr);
  assert.match(stderr, /_input_stopped/);
});

const KINDS: readonly NativeKind[] = ["push", "pull", "xpub", "sub", "router", "dealer"];

test("liveness: no native socket sends heartbeats, or gives up a connection that is answered", (t) => {
  const settings = { lingerMs: 0, frameBytesMax: 1_000, peerFramesMax: 4, name: null };
  for (const kind of KINDS) {
    for (const [heartbeatMs, seconds] of [
      [3_000, 3],
      [20, 1],
      [0, -1],
    ] as const) {
      const native = openNative(kind, { ...settings, heartbeatMs }, {}) as unknown as zmq.Pull;
      t.after(() => native.close());
      const { heartbeatInterval, heartbeatTimeToLive, tcpMaxRetransmitTimeout } = native;
      assert.deepEqual(
        [heartbeatInterval, heartbeatTimeToLive, tcpMaxRetransmitTimeout],
        [0, 0, 0],
      );
      const { tcpKeepalive, tcpKeepaliveIdle, tcpKeepaliveInterval } = native;
      const on = heartbeatMs === 0 ? -1 : 1;
      assert.deepEqual(
        [tcpKeepalive, tcpKeepaliveIdle, tcpKeepaliveInterval],
        [on, seconds, seconds],
      );
    }
  }
});

/** Ports of established connections for which Linux runs a keepalive timer. */
function keptAlive(): Set<number> {
  const lines = readFileSync("/proc/net/tcp", "latin1").split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const timed = fields.filter(
    ([, , , state, , timer]) => state === "01" && timer?.startsWith("02:"),
  );
  return new Set(timed.map(([, local]) => Number.parseInt(local!.split(":")[1]!, 16)));
}

for (const gated of [false, true]) {
  const onLinux = { skip: process.platform !== "linux" };
  test(`liveness: the system watches tcp connections, gate: ${gated}`, onLinux, async (t) => {
    const connect = async (heartbeatMs: number): Promise<number> => {
      const pull = open(t, new Pull({ gate: gated, heartbeatMs }));
      const push = open(t, new Push({ heartbeatMs }));
      const errors = errorsOf(pull);
      const address = await pull.bind("tcp://127.0.0.1:*");
      push.connect(address);
      await Promise.all([push.ready(), pull.ready()]);
      assert.deepEqual(errors, []);
      return Number(address.split(":").at(-1));
    };
    const watched = await connect(3_000);
    const unwatched = await connect(0);
    await eventually(() => assert.ok(keptAlive().has(watched)));
    assert.ok(!keptAlive().has(unwatched));
  });
}
