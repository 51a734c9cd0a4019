/** A socket of any role that exchanges frames of every kind with its counterpart, here or in a thread. */
import assert from "node:assert/strict";
import { isMainThread, workerData } from "node:worker_threads";
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
  type TypedSocket,
} from "../../lib/index.ts";

/** What is played: a role, or a reliable one. */
export type Part =
  | "Push"
  | "Pull"
  | "Publisher"
  | "Subscriber"
  | "Dealer"
  | "Router"
  | "Requester"
  | "Replier"
  | "reliable Push"
  | "reliable Pull";

/** Which of two partners binds. */
export type Binder = "thread" | "main thread";

/** Who plays what, and where they meet. */
export interface Played {
  readonly part: Part;
  readonly binds: boolean;
  readonly address: string;
}

/** A sender closes when it has sent all: it waits as long as the test does for a partner whose thread starts slowly. */
const PLAIN = { codec: raw(), batch: false, lingerMs: 60_000 } as const;
const RELIABLE = { codec: raw(), reliable: true } as const;
/** Copied by zeromq.js, text, and what is neither. */
const FRAMES: readonly Uint8Array[] = [
  Buffer.alloc(5, 0xff),
  Buffer.alloc(128, 0xff),
  Buffer.alloc(129, 0xff),
  Buffer.alloc(300, 0xfe),
  Buffer.from("text ".repeat(100)),
  Buffer.from(Uint8Array.from({ length: 70_000 }, (_, index) => index % 251)),
  Buffer.from(`\x02brokerless base64\x03${Buffer.alloc(300, 0xfe).toString("base64")}`),
];

/** Who plays with whom: the first in a thread. */
export const PARTNERS: readonly (readonly [inThread: Part, here: Part])[] = [
  ["Push", "Pull"],
  ["Pull", "Push"],
  ["reliable Push", "reliable Pull"],
  ["reliable Pull", "reliable Push"],
  ["Publisher", "Subscriber"],
  ["Subscriber", "Publisher"],
  ["Dealer", "Router"],
  ["Router", "Dealer"],
  ["Requester", "Replier"],
  ["Replier", "Requester"],
];

/** Where two partners meet. */
export function meetingOf(inThread: Part, binder: Binder): string {
  return `inproc://played-${inThread}-${binder}`.replaceAll(" ", "-");
}

/** Opens, exchanges all frames, and closes. @throws where one of them is not what was sent */
export async function play({ part, binds, address }: Played): Promise<void> {
  const { socket, exchange } = PARTS[part]();
  await using _ = socket;
  if (binds) await socket.bind(address);
  else socket.connect(address);
  await exchange();
}

interface Opened {
  readonly socket: Pick<TypedSocket, "bind" | "connect" | typeof Symbol.asyncDispose>;
  readonly exchange: () => Promise<void>;
}

async function expectAll(next: () => Promise<Uint8Array>): Promise<void> {
  for (const frame of FRAMES) assert.deepEqual(Buffer.from(await next()), Buffer.from(frame));
}

const PARTS: Readonly<Record<Part, () => Opened>> = {
  Push: () => {
    const socket = new Push<Uint8Array>(PLAIN);
    return { socket, exchange: () => sendAll((frame) => socket.send(frame)) };
  },
  Pull: () => {
    const socket = new Pull<Uint8Array>(PLAIN);
    return { socket, exchange: () => expectAll(() => socket.receive()) };
  },
  "reliable Push": () => {
    const socket = new Push<Uint8Array>(RELIABLE);
    const send = (frame: Uint8Array) => socket.send(frame, { confirm: "processed" });
    return { socket, exchange: () => sendAll(send) };
  },
  "reliable Pull": () => {
    const socket = new Pull<Uint8Array>(RELIABLE);
    return { socket, exchange: () => expectAll(() => socket.receive()) };
  },
  Publisher: () => {
    const socket = new Publisher<{ topic: Uint8Array }>(PLAIN);
    const exchange = async (): Promise<void> => {
      await socket.ready();
      await sendAll((frame) => socket.publish("topic", frame));
    };
    return { socket, exchange };
  },
  Subscriber: () => {
    const socket = new Subscriber<{ topic: Uint8Array }>(PLAIN);
    socket.subscribe("topic");
    return { socket, exchange: () => expectAll(async () => (await socket.receive()).value) };
  },
  Dealer: () => {
    const socket = new Dealer<Uint8Array, Uint8Array>(PLAIN);
    const exchange = async (): Promise<void> => {
      await sendAll((frame) => socket.send(frame));
      await expectAll(() => socket.receive());
    };
    return { socket, exchange };
  },
  Router: () => {
    const socket = new Router<Uint8Array, Uint8Array>(PLAIN);
    const echo = async (): Promise<Uint8Array> => {
      const { peer, value } = await socket.receive();
      await socket.send(peer, value);
      return value;
    };
    return { socket, exchange: () => expectAll(echo) };
  },
  Requester: () => {
    const socket = new Requester<Uint8Array, Uint8Array>(PLAIN);
    const exchange = async (): Promise<void> => {
      for (const frame of FRAMES) {
        const reply = await socket.request(frame);
        assert.deepEqual(Buffer.from(reply), Buffer.from(frame));
      }
    };
    return { socket, exchange };
  },
  Replier: () => {
    const socket = new Replier<Uint8Array, Uint8Array>(PLAIN);
    const exchange = async (): Promise<void> => {
      let left = FRAMES.length;
      await new Promise<void>((resolve, reject) => {
        socket
          .serve((frame) => {
            left -= 1;
            if (left === 0) setImmediate(resolve);
            assert.ok(FRAMES.some((each) => Buffer.compare(each, frame) === 0));
            return frame;
          })
          .catch(reject);
      });
      await socket.drain();
    };
    return { socket, exchange };
  },
};

async function sendAll(send: (frame: Uint8Array) => unknown): Promise<void> {
  for (const frame of FRAMES) await send(frame);
}

const { binder } = (isMainThread ? null : workerData) ?? {};
if (binder !== undefined) {
  for (const [part] of PARTNERS) {
    await play({ part, binds: binder === "thread", address: meetingOf(part, binder) });
  }
}
