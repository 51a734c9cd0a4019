import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import {
  type BrokerlessError,
  Dealer,
  generateKeyPair,
  Pull,
  Push,
  Subscriber,
} from "../../lib/index.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import * as frames from "../support/zmtp-frames.ts";
import { listenZmtp, type ZmtpPeer } from "../support/zmtp-peer.ts";
import { FRAME_BYTES_MAX, MESSAGE_BYTES_MAX } from "./roles.ts";

const options = { messageBytesMax: MESSAGE_BYTES_MAX } as const;

/** What a server does to the first that connects; the second finds it well-behaved. */
const TRICKS: Readonly<Record<string, (peer: ZmtpPeer, type: string) => Promise<unknown>>> = {
  "random bytes": (peer) => peer.write(Buffer.alloc(10_000, "\xffnonsense", "latin1")),
  HTTP: async (peer) => {
    await peer.write(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    peer.end();
  },
  "another mechanism": (peer) => peer.write(frames.greeting({ mechanism: "PLAIN" })),
  silence: async () => {},
  "a reset": async (peer) => peer.reset(),
  "the wrong socket type": (peer) =>
    peer.write(Buffer.concat([frames.greeting(), frames.ready("PAIR")])),
  "an error": (peer) =>
    peer.write(Buffer.concat([frames.greeting(), frames.command("ERROR", Buffer.from("\x03no!"))])),
  "a frame over the limit": async (peer, type) => {
    await peer.handshake({ socketType: type });
    await peer.write(frames.frameHead(FRAME_BYTES_MAX + 1));
  },
  "a frame that is cut off": async (peer, type) => {
    await peer.handshake({ socketType: type });
    await peer.write(Buffer.concat([frames.frameHead(100_000), Buffer.alloc(50_000)]));
    peer.reset();
  },
};

const CLIENTS = {
  Pull: { make: () => new Pull<number>(options), serverType: "PUSH" },
  Dealer: { make: () => new Dealer<number>(options), serverType: "ROUTER" },
  Subscriber: {
    make: () => {
      const subscriber = new Subscriber<{ topic: number }>(options);
      subscriber.subscribe("topic");
      return subscriber;
    },
    serverType: "PUB",
  },
} as const;

async function visit(t: TestContext, name: keyof typeof CLIENTS, trick: string): Promise<number> {
  const { make, serverType } = CLIENTS[name];
  const client = make();
  const errors: BrokerlessError[] = [];
  client.on("error", (error) => errors.push(error));
  let connections = 0;
  const handshaken = new Promise<void>((resolve, reject) => {
    listenZmtp(async (peer, count) => {
      connections = count;
      try {
        if (count === 1) await TRICKS[trick]!(peer, serverType);
        else {
          await peer.handshake({ socketType: serverType });
          resolve();
        }
      } catch {
        // The client hung up on us, which is as it should be.
      }
    }).then((server) => {
      t.after(async () => {
        await client.close();
        await server.close();
      });
      client.connect(server.address);
    }, reject);
  });
  const signal = AbortSignal.timeout(WATCHDOG_MS);
  await Promise.race([
    handshaken,
    new Promise((_, reject) => {
      signal.onabort = () =>
        reject(new Error(`no second connection, ${errors.length} errors: ${errors.at(-1)}`));
    }),
  ]);
  return connections;
}

describe("a server that is hostile once", { concurrency: 4 }, () => {
  for (const name of Object.keys(CLIENTS) as (keyof typeof CLIENTS)[]) {
    for (const trick of Object.keys(TRICKS)) {
      test(`${name}: after ${trick} it connects again`, {
        timeout: 2 * WATCHDOG_MS,
      }, async (t) => {
        assert.ok((await visit(t, name, trick)) >= 2);
      });
    }
  }

  test("Push: after a refusal it retries, and is admitted once its key is allowed", {
    timeout: 2 * WATCHDOG_MS,
  }, async (t) => {
    const [serverKeys, clientKeys] = [generateKeyPair(), generateKeyPair()];
    let asked = 0;
    const server = new Pull<number>({ security: { ...serverKeys, allow: () => ++asked > 1 } });
    const client = new Push<number>({
      security: { ...clientKeys, serverKey: serverKeys.publicKey },
    });
    t.after(() => Promise.all([server.close(), client.close()]));
    client.connect(await server.bind("tcp://127.0.0.1:*"));
    await client.ready({ timeoutMs: WATCHDOG_MS });
  });
});
