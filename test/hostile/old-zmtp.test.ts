import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Publisher, Pull, Push, Router } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { listenZmtp } from "../support/zmtp-peer.ts";

/** The signature of ZMTP, and the length of an identity that is empty. */
const SIGNATURE = "ff00000000000000017f";
/** What a stray says, of ZMTP as of a PULL. */
const STRAYS: Readonly<Record<string, Buffer>> = {
  HTTP: Buffer.from("GET /health HTTP/1.1\r\nHost: a\r\nUser-Agent: probe\r\nAccept: */*\r\n\r\n"),
  "ZMTP 1": Buffer.from("0100", "hex"),
  "ZMTP 2": Buffer.from(`${SIGNATURE}01070000`, "hex"),
};

/** Connects over tcp or ipc, says something, and reads. */
async function stray(t: TestContext, address: string, words: Buffer) {
  const { protocol, port, pathname } = new URL(address);
  const place = protocol === "ipc:" ? { path: pathname } : { port: Number(port) };
  const socket = connect(place);
  t.after(() => socket.destroy());
  let heard = "";
  let isEnded = false;
  socket.on("error", () => {});
  socket.on("close", () => {
    isEnded = true;
  });
  socket.on("data", (bytes) => {
    heard += bytes.toString("latin1");
  });
  await once(socket, "connect");
  socket.write(words);
  return { heard: () => heard, isEnded: () => isEnded };
}

const BINDERS = {
  Push: () => new Push<string>({ batch: false, gate: false }),
  Publisher: () => new Publisher<{ job: string }>({ gate: false }),
  Pull: () => new Pull<string>({ gate: false }),
  Router: () => new Router<string>({ gate: false }),
  "reliable Push": () => new Push<string>({ reliable: true, gate: false }),
} as const;

for (const [role, make] of Object.entries(BINDERS)) {
  for (const transport of ["tcp", "ipc"] as const) {
    test(`old ZMTP: a ${role} without a gate ends connections that do not speak ZMTP 3 (${transport})`, async (t) => {
      const socket = open(t, make());
      const address = await socket.bind(wireOf(t, transport).address());
      for (const [name, words] of Object.entries(STRAYS)) {
        const { heard, isEnded } = await stray(t, address, words);
        // Whatever is sent meanwhile does not come to it.
        await eventually(() => {
          if (socket instanceof Push) (socket as Push<string>).trySend("job");
          assert.ok(isEnded() || heard().includes("job"), name);
        });
        assert.doesNotMatch(heard(), /job/, name);
        assert.equal(socket.stats().peers, 0, name);
      }
    });
  }
}

test("old ZMTP: control: libzmq by itself sends messages to any connection", async (t) => {
  for (const [name, words] of Object.entries(STRAYS)) {
    const push = new zmq.Push({ linger: 0, sendTimeout: 0 });
    t.after(() => push.close());
    push.bindSync("tcp://127.0.0.1:*");
    const { heard } = await stray(t, push.lastEndpoint!, words);
    await eventually(async () => {
      await push.send("job").catch(() => {});
      assert.match(heard(), /job/, name);
    });
  }
});

test("old ZMTP: an honest peer gets all messages beside a foreign connection, and that one is reported", async (t) => {
  const push = open(t, new Push<number>({ batch: false, gate: false }));
  const pull = open(t, new Pull<number>({ batch: false }));
  const errors = errorsOf(push);
  const address = await push.bind("tcp://127.0.0.1:*");
  pull.connect(address);
  await push.ready();
  const { isEnded } = await stray(t, address, STRAYS.HTTP!);
  for (let i = 0; i < 100; i++) await push.send(i);
  for (let i = 0; i < 100; i++) assert.equal(await pull.receive(), i);
  await eventually(() => assert.ok(isEnded()));
  assert.equal(push.stats().peers, 1);
  await eventually(() => assert.equal(errors[0]?.code, "BROKERLESS_PROTOCOL"));
});

test("old ZMTP: nothing is sent to a server of another protocol", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const push = open(t, new Push<string>({ batch: false }));
  let connections = 0;
  let heard = "";
  const server = await listenZmtp(async (peer) => {
    connections += 1;
    await peer.write(Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
    const message = await peer.receive();
    if (message !== null) heard += message.join();
  });
  t.after(() => server.close());
  push.connect(server.address);
  push.trySend("job");
  await eventually(() => assert.ok(connections >= 3));
  assert.equal(heard, "");
  assert.equal(push.stats().peers, 0);
  assert.equal(push.stats().queuedMessages, 1);
});
