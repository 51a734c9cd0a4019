/** What was handed to ZeroMQ before a close reaches peers that are there: also those that drop what they have not read. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Router,
  raw,
  Subscriber,
  type TypedSocket,
} from "../../lib/index.ts";
import type { Channel } from "../../lib/transport/channel.ts";
import { open } from "../support/fixtures.ts";
import { frame, ping } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

/** More than closing takes without a pause (count). */
const PINGS = 1_000;
const FRAME_BYTES = 65_536;
/** More than all buffers of the system and of a gate hold (count). */
const FRAMES = 200;
const single = { codec: raw(), batch: false } as const;

/** Makes a socket that replies to the next message, and says when it has. */
type Reply = (t: TestContext) => { readonly socket: TypedSocket; replied(): Promise<void> };

const REPLIES: Readonly<Record<string, Reply>> = {
  Router: (t) => {
    const socket = open(t, new Router<Uint8Array>(single));
    const replied = async (): Promise<void> => {
      const { peer, value } = await socket.receive();
      await socket.send(peer, value);
      await socket.drain();
    };
    return { socket, replied };
  },
  Dealer: (t) => {
    const socket = open(t, new Dealer<Uint8Array>(single));
    const replied = async (): Promise<void> => {
      await socket.send(await socket.receive());
      await socket.drain();
    };
    return { socket, replied };
  },
  Replier: (t) => {
    const socket = open(t, new Replier<Uint8Array, Uint8Array>({ codec: raw() }));
    const handled = new Promise<void>((resolve) => {
      void socket.serve(async (value) => {
        setImmediate(resolve);
        return value;
      });
    });
    const replied = async (): Promise<void> => {
      await handled;
      await socket.drain();
    };
    return { socket, replied };
  },
};

for (const [role, reply] of Object.entries(REPLIES)) {
  test(`close: a ${role} keeps connections until what it has just sent can have been read`, async (t) => {
    const { socket, replied } = reply(t);
    // However busy the machine is, the pause begins after the last send, and ends when it is told to.
    t.mock.method(performance, "now", () => 1_000);
    const peer = await ZmtpPeer.join(await socket.bind("tcp://127.0.0.1:*"), {
      socketType: "DEALER",
    });
    t.after(() => peer.destroy());
    if (role === "Replier") await peer.write(Buffer.concat([frame("", { more: true })]));
    await peer.write(frame("hello"));
    await replied();
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const closed = socket.close();
    assert.equal(String((await peer.receive())?.at(-1)), "hello");
    for (let count = 0; count < PINGS; count++) {
      await peer.write(ping());
      assert.notEqual(
        await peer.receiveCommand(),
        null,
        `the connection ended after ${count} pings`,
      );
    }
    t.mock.timers.tick(100);
    await peer.ended();
    t.mock.timers.reset();
    await closed;
  });
}

for (const gate of [false, true]) {
  test(`close: a peer that reads late gets all that ZeroMQ holds (${gate ? "gate" : "no gate"})`, async (t) => {
    const push = open(t, new Push<Uint8Array>({ ...single, gate, lingerMs: 60_000 }));
    const peer = await ZmtpPeer.join(await push.bind("tcp://127.0.0.1:*"), { socketType: "PULL" });
    t.after(() => peer.destroy());
    peer.pause();
    for (let count = 0; count < FRAMES; count++) await push.send(Buffer.alloc(FRAME_BYTES, count));
    await push.drain();
    await push.close();
    peer.resume();
    for (let count = 0; count < FRAMES; count++) {
      const parts = await peer.receive();
      assert.equal(parts?.at(-1)?.[0], count % 256, `message ${count}`);
    }
    await peer.ended();
  });
}

test("close: an address behind a gate can be bound again while a peer still reads", async (t) => {
  const push = open(t, new Push<Uint8Array>({ ...single, gate: true, lingerMs: 60_000 }));
  const address = await push.bind("tcp://127.0.0.1:*");
  const peer = await ZmtpPeer.join(address, { socketType: "PULL" });
  t.after(() => peer.destroy());
  peer.pause();
  for (let count = 0; count < FRAMES; count++) await push.send(Buffer.alloc(FRAME_BYTES));
  await push.drain();
  await push.close();
  assert.equal(await open(t, new Pull({ gate: true })).bind(address), address);
});

/** Resolves when libzmq is done with a socket that was closed. */
function ended(socket: TypedSocket): Promise<void> {
  const { native } = (socket as unknown as { readonly channel: Channel }).channel;
  return new Promise((resolve) => native.events.on("end", () => resolve()));
}

test("close: a Subscriber does not stay to tell a publisher that has gone of its subscriptions", async (t) => {
  const publisher = open(t, new Publisher());
  const subscriber = open(t, new Subscriber({ lingerMs: 60_000 }));
  subscriber.subscribe("prices.#");
  subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
  await subscriber.ready();
  const push = open(t, new Push<Uint8Array>({ ...single, lingerMs: 10_000 }));
  const peer = await ZmtpPeer.join(await push.bind("tcp://127.0.0.1:*"), { socketType: "PULL" });
  t.after(() => peer.destroy());
  peer.pause();
  for (let count = 0; count < FRAMES; count++) await push.send(Buffer.alloc(FRAME_BYTES));
  await push.drain();
  const lost = subscriber.once("peerLost");
  await publisher.close();
  await lost;
  const first = Promise.race([
    ended(subscriber).then(() => "the subscriber"),
    ended(push).then(() => "the push, after its lingerMs"),
  ]);
  await Promise.all([subscriber.close(), push.close()]);
  assert.equal(await first, "the subscriber");
});
