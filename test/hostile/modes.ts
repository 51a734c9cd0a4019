/** What hostile peers do. */
import { createHash } from "node:crypto";
import { curveKeyPair, Push } from "zeromq";
import {
  command,
  frame,
  frameHead,
  greeting,
  message,
  ping,
  property,
  ready,
  subscribeCommand,
  subscribeMessage,
} from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

/** Whom to attack. */
export interface Target {
  /** `tcp://host:port`, bound by the victim. */
  readonly address: string;
  /** The socket type that the victim talks to: `PUSH` for a PULL. */
  readonly socketType: string;
  /** Bytes of the longest frame that the victim accepts. */
  readonly frameBytesMax: number;
  /** A message that the victim accepts, frame by frame, in base64. */
  readonly message: readonly string[];
  readonly seed: number;
  /** The public key of a CURVE server. */
  readonly serverKey?: string;
}

/** Bytes that look random and are the same for the same seed. */
function* noise(seed: number): Generator<Buffer, never> {
  for (let count = 0; ; count++) yield createHash("sha512").update(`${seed}/${count}`).digest();
}

function noiseBytes(seed: number, bytes: number): Buffer {
  const source = noise(seed);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes; at += 64) pieces.push(source.next().value);
  return Buffer.concat(pieces).subarray(0, bytes);
}

const join = (target: Target): Promise<ZmtpPeer> =>
  ZmtpPeer.join(target.address, { socketType: target.socketType });

const say = async (target: Target, ...pieces: Uint8Array[]): Promise<ZmtpPeer> => {
  const peer = await ZmtpPeer.connect(target.address);
  for (const piece of pieces) if (!(await peer.write(piece))) break;
  return peer;
};

/** Runs `attack` so many times, a few at once. */
async function often(times: number, attack: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < times) await attack(next++);
  };
  await Promise.all(Array.from({ length: Math.min(20, times) }, lane));
}

/** Waits until all that was written has been taken in: the PONG comes after it. Or until the connection is over. */
const takenIn = async (peer: ZmtpPeer): Promise<void> => {
  await peer.write(ping());
  await peer.receiveCommand();
};

const good = (target: Target): Buffer =>
  message(...target.message.map((part) => Buffer.from(part, "base64")));

/**
 * Resolves when it has done its worst.
 *
 * @returns what lets go of the victim, where the cost of an attack ends with its connection: not to be called before
 *   it has been seen
 */
export type Mode = (target: Target) => Promise<(() => void) | undefined>;

export const MODES: Readonly<Record<string, Mode>> = {
  "random bytes instead of a greeting": async (target) => {
    await often(40, async (index) => {
      const peer = await say(target, noiseBytes(target.seed + index, 20_000));
      peer.destroy();
    });
  },
  "HTTP instead of a greeting": async (target) => {
    await often(40, async () => {
      const peer = await say(target, Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(400)));
      peer.destroy();
    });
  },
  "greetings with each byte in turn wrong": async (target) => {
    await often(64, async (index) => {
      const bytes = greeting();
      bytes[index] = ~(bytes[index] as number) & 0xff;
      const peer = await say(target, bytes, ready(target.socketType), good(target));
      peer.destroy();
    });
  },
  "one byte at a time": async (target) => {
    const peer = await ZmtpPeer.connect(target.address);
    await peer.writeSplit(Buffer.concat([greeting(), ready(target.socketType), good(target)]));
    await peer.receiveCommand();
    peer.end();
  },
  "handshakes that never end": async (target) => {
    const whole = Buffer.concat([greeting(), ready(target.socketType)]);
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const peer = await say(target, whole.subarray(0, (index * 7) % whole.length));
        await peer.ended(); // the victim hangs up, or this mode never returns
      }),
    );
  },
  "READY with the wrong socket type": async (target) => {
    await often(40, async (index) => {
      const types = ["PAIR", "", "push", "X".repeat(200), "SERVER"];
      const peer = await say(target, greeting(), ready(types[index % types.length] as string));
      await peer.ended();
    });
  },
  "READY with huge metadata": async (target) => {
    const big = property("X-Big", Buffer.alloc(1_000_000));
    for (let i = 0; i < 8; i++) {
      const body = Buffer.concat([Buffer.from("\x05READY"), property("Socket-Type", "PAIR"), big]);
      const peer = await say(target, greeting(), frame(body, { command: true, long: true }));
      await peer.ended();
    }
    const many = Array.from({ length: 5000 }, (_, i) => property(`X-${i}`, "v"));
    const peer = await say(target, greeting(), ready(target.socketType, ...many));
    peer.destroy();
  },
  "READY with false lengths": async (target) => {
    const lies = [
      frame(Buffer.from("\x05READY\xffSocket-Type", "latin1"), { command: true }),
      frame(Buffer.from("\x05READY\x0bSocket-Type\xff\xff\xff\xffPAIR", "latin1"), {
        command: true,
      }),
      frame(Buffer.from("\x05READY\x0bSocket-Type\x7f\xff\xff\xffPAIR", "latin1"), {
        command: true,
      }),
      frame(Buffer.from("\xffREADY", "latin1"), { command: true }),
      frame(Buffer.alloc(0), { command: true }),
      frameHead(0, { command: true, length: 2n ** 63n - 1n }),
      frameHead(0, { command: true, length: 2n ** 64n - 1n }),
    ];
    await often(lies.length * 4, async (index) => {
      const peer = await say(target, greeting(), lies[index % lies.length] as Buffer);
      await peer.ended();
    });
  },
  "identities of every length": async (target) => {
    await often(12, async (index) => {
      const identity = property(
        "Identity",
        Buffer.alloc([0, 1, 255, 256, 5000, 65_536][index % 6]!),
      );
      const peer = await say(target, greeting(), ready(target.socketType, identity), good(target));
      peer.destroy();
    });
  },
  "wrong frame flags": async (target) => {
    await often(48, async (index) => {
      const peer = await join(target);
      await peer.write(Buffer.from([8 + index * 5, 5, 1, 2, 3, 4, 5]));
      peer.destroy();
    });
  },
  "a frame of 2^63-1 bytes": async (target) => {
    for (const length of [2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 40n]) {
      const peer = await join(target);
      await peer.write(frameHead(0, { length }));
      await peer.ended();
    }
  },
  "a frame just over the limit": async (target) => {
    const peer = await join(target);
    await peer.write(frameHead(target.frameBytesMax + 1, { long: true }));
    await peer.ended();
  },
  "frames that are cut off by a reset": async (target) => {
    await often(40, async () => {
      const peer = await join(target);
      await peer.write(Buffer.concat([frameHead(target.frameBytesMax), Buffer.alloc(200_000)]));
      peer.reset();
    });
  },
  "multiparts that are cut off by a reset": async (target) => {
    await often(20, async () => {
      const peer = await join(target);
      await peer.write(Buffer.concat(Array(1000).fill(frame("part", { more: true }))));
      peer.reset();
    });
  },
  "two thousand quick connections": async (target) => {
    await often(2000, async (index) => {
      const peer = await ZmtpPeer.connect(target.address);
      if (index % 2 === 0) peer.reset();
      else peer.destroy();
    });
  },
  "three hundred quick handshakes": async (target) => {
    await often(300, async () => (await join(target)).reset());
  },
  "unknown and malformed commands": async (target) => {
    const commands = [
      command("NONSENSE"),
      command("PING"),
      command("PONG", Buffer.alloc(300)),
      command("SUBSCRIBE"),
      command("CANCEL", Buffer.from("never asked for")),
      command("READY"),
      command("ERROR", Buffer.from([255])),
      frame(Buffer.alloc(0), { command: true }),
      frame(Buffer.from([255, 1]), { command: true }),
      frame(Buffer.from("\x04PING"), { command: true, more: true }),
    ];
    await often(commands.length * 4, async (index) => {
      const peer = await join(target);
      await peer.write(commands[index % commands.length] as Buffer);
      await peer.write(good(target));
      peer.destroy();
    });
  },
  "a flood of pings": async (target) => {
    const peer = await join(target);
    const pings = Buffer.concat(Array(2000).fill(ping(0, "0123456789abcdef")));
    for (let i = 0; i < 25; i++) if (!(await peer.write(pings))) break;
    peer.destroy();
  },
  "a flood of meaningless frames": async (target) => {
    const peer = await join(target);
    const source = noise(target.seed);
    const frames = Array.from({ length: 2000 }, () => frame(source.next().value));
    const floods = Array.from({ length: 20 }, (_, i) =>
      frames.map((each, at) => (at % 3 === i % 3 ? message("a", "", each, "b", each, "c") : each)),
    );
    if (target.socketType === "PULL") {
      // A Push reads nothing: it takes frames up to ZeroMQ's mark, and then leaves the rest to wait here.
      await peer.write(Buffer.concat(frames.slice(0, 500)));
      await takenIn(peer);
      for (const wrong of floods) void peer.write(Buffer.concat(wrong));
      peer.reset();
      return;
    }
    for (const wrong of floods) if (!(await peer.write(Buffer.concat(wrong)))) break;
    peer.end();
    await peer.ended();
  },
  "large unsolicited frames": async (target) => {
    const peer = await join(target);
    const large = frame(Buffer.alloc(900_000, 0xc1));
    for (let i = 0; i < 500; i++) if (!(await peer.write(large))) break;
    peer.end();
    await peer.ended();
  },
  "a hundred peers that never read": async (target) => {
    const peers = await Promise.all(Array.from({ length: 100 }, () => say(target, greeting())));
    for (const peer of peers) {
      await peer.write(ready(target.socketType));
      await peer.write(good(target));
    }
    for (const peer of peers) peer.reset();
  },
};

/** Modes for a publisher, which listens to nothing but subscriptions. */
export const SUBSCRIBER_MODES: typeof MODES = {
  "a flood of subscriptions to different topics": async (target) => {
    for (const minor of [0, 1]) {
      const subscribe = minor === 0 ? subscribeMessage : subscribeCommand;
      const peer = await ZmtpPeer.join(target.address, { socketType: "SUB", minor });
      for (let i = 0; i < 10; i++) {
        const topics = Array.from({ length: 1000 }, (_, at) => subscribe(`flood.${i}.${at}`));
        await peer.write(Buffer.concat(topics));
      }
      peer.reset();
    }
  },
  "a flood of the same subscription": async (target) => {
    const peer = await join(target);
    const same = Buffer.concat(Array(2000).fill(subscribeMessage("again")));
    for (let i = 0; i < 10; i++) await peer.write(same);
    peer.reset();
  },
  "repeated subscriptions and cancellations": async (target) => {
    const peer = await join(target);
    const both = Buffer.concat([subscribeCommand("x"), command("CANCEL", Buffer.from("x"))]);
    const many = Buffer.concat(Array(5000).fill(both));
    for (let i = 0; i < 40; i++) if (!(await peer.write(many))) break;
    await takenIn(peer);
    peer.reset();
  },
  "messages to a socket that only sends": async (target) => {
    const peer = await join(target);
    const many = Buffer.concat(Array(20_000).fill(frame("\xc1")));
    for (let i = 0; i < 10; i++) if (!(await peer.write(many))) break;
    await takenIn(peer);
    peer.reset();
  },
  "subscriptions to topics of a megabyte": async (target) => {
    const peer = await join(target);
    for (let i = 0; i < 8; i++) {
      await peer.write(frame(Buffer.concat([Buffer.from([1]), noiseBytes(i, 1_000_000)])));
    }
    peer.reset();
  },
};

/** Modes that libzmq has no limit against: what is measured there is in docs/decisions/0004-security.md. */
export const LIMITLESS_MODES: typeof MODES = {
  "a message of endless parts": async (target) => {
    const peer = await join(target);
    const parts = Buffer.alloc(65_536, frame("", { more: true }));
    for (let sent = 0; sent < 4_000_000; sent += parts.length) {
      if (!(await peer.write(parts))) break;
    }
    await takenIn(peer);
    return () => peer.destroy();
  },
  "a message of 300,000 parts": async (target) => {
    const peer = await join(target);
    const parts = Buffer.alloc(600_000, frame("", { more: true }));
    await peer.write(Buffer.concat([parts, frame("")]));
    await takenIn(peer);
    return () => peer.destroy();
  },
};

/** The same for a publisher. */
export const LIMITLESS_SUBSCRIBER_MODES: typeof MODES = {
  "a flood of subscriptions without common prefixes": async (target) => {
    const peer = await ZmtpPeer.join(target.address, { socketType: "SUB", minor: 0 });
    const source = noise(target.seed);
    const subscribe = (): Buffer => frame(Buffer.concat([Buffer.of(1), source.next().value]));
    for (let i = 0; i < 100; i++) {
      if (!(await peer.write(Buffer.concat(Array.from({ length: 1000 }, subscribe))))) break;
    }
    // What the friend is told comes here too once all of it has been taken in, if we are still connected.
    await peer.write(subscribeMessage("friend"));
    await peer.receive();
    return () => peer.destroy();
  },
};

/** Modes against a CURVE server, by peers that it does not know. */
export const CURVE_MODES: typeof MODES = {
  "the NULL mechanism": async (target) => {
    await often(40, async () => {
      const peer = await say(target, greeting(), ready(target.socketType), good(target));
      await peer.ended();
    });
  },
  "HELLOs of random bytes": async (target) => {
    await often(200, async (index) => {
      const hello = Buffer.concat([Buffer.from([1, 0]), noiseBytes(target.seed + index, 192)]);
      const peer = await say(target, greeting({ mechanism: "CURVE" }), command("HELLO", hello));
      peer.destroy();
    });
  },
  "HELLOs with invalid keys": async (target) => {
    // Points of low order: with them every shared secret is the same, and some libraries give up.
    const one = Buffer.alloc(32);
    one[0] = 1;
    const keys = [Buffer.alloc(32), one, Buffer.alloc(32, 0xff)];
    for (const key of keys) {
      const hello = Buffer.concat([Buffer.from([1, 0]), Buffer.alloc(72), key, Buffer.alloc(88)]);
      const peer = await say(target, greeting({ mechanism: "CURVE" }), command("HELLO", hello));
      await peer.ended();
    }
  },
  "INITIATE and MESSAGE before HELLO": async (target) => {
    for (const name of ["INITIATE", "MESSAGE", "READY", "WELCOME", "ERROR", "SUBSCRIBE"]) {
      for (const bytes of [0, 8, 247, 300, 60_000]) {
        const early = command(name, noiseBytes(target.seed, bytes));
        const peer = await say(target, greeting({ mechanism: "CURVE" }), early);
        await peer.ended();
      }
    }
  },
  "endless parts before HELLO": async (target) => {
    const peer = await say(target, greeting({ mechanism: "CURVE" }));
    const parts = Buffer.alloc(65_536, frame("", { more: true }));
    for (let sent = 0; sent < 4_000_000; sent += parts.length) {
      if (!(await peer.write(parts))) break;
    }
    await peer.ended();
  },
  "a hundred clients with unknown keys": async (target) => {
    const serverKey = target.serverKey ?? "";
    await often(100, async () => {
      const push = new Push();
      push.linger = 0;
      push.reconnectInterval = -1;
      const { publicKey, secretKey } = curveKeyPair();
      push.curvePublicKey = publicKey;
      push.curveSecretKey = secretKey;
      push.curveServerKey = serverKey;
      const refused = new Promise((resolve) => push.events.on("disconnect", resolve));
      push.connect(target.address);
      await refused;
      push.close();
    });
  },
};
