import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import type { BrokerlessError } from "../../lib/index.ts";
import { Gate } from "../../lib/transport/gate/gate.ts";
import { GateReader, TopicBudget } from "../../lib/transport/gate/gate-reader.ts";
import { assertWithin, boundsTest } from "../support/bounds.ts";
import { integerFrom } from "../support/env.ts";
import { eventually } from "../support/eventually.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import * as frames from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";
import {
  LIMITLESS_MODES,
  LIMITLESS_SUBSCRIBER_MODES,
  MODES,
  SUBSCRIBER_MODES,
  type Target,
} from "./modes.ts";
import { FRAME_BYTES_MAX, ROLES } from "./roles.ts";
import { Attacker, besiege, EXCHANGES_AFTER, type Outcome } from "./siege.ts";

const seed = integerFrom("BROKERLESS_SEED", Date.now() % 1_000_000);
const report = process.env.BROKERLESS_REPORT !== undefined;
const TOPIC_BYTES_MAX = 65_536;
/** Frames of a message that the peers of a role send (count). */
const PARTS_MAX: Readonly<Record<string, number>> = { Subscriber: 2, Requester: 4, Replier: 18 };

/** A pair, with or without a gate between the victim and everybody else. */
async function siege(t: TestContext, name: string, gated: boolean) {
  const role = ROLES[name]!;
  const pair = role.make();
  const attacker = new Attacker();
  const refused: BrokerlessError[] = [];
  let gate: Gate | null = null;
  let address: string;
  if (gated) {
    const directory = mkdtempSync(join(tmpdir(), "brokerless-gate-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "inner");
    await pair.victim.bind(`ipc://${path}`);
    gate = await Gate.open({
      heartbeatMs: 0,
      place: { host: "127.0.0.1", port: 0 },
      path,
      mechanism: "NULL",
      identities: null,
      limits: {
        partsMax: PARTS_MAX[name] ?? 1,
        messageBytesMax: FRAME_BYTES_MAX,
        topicBytesMax: name === "Publisher" ? TOPIC_BYTES_MAX : 0,
        connectionsMax: 200,
      },
      handshakeMsMax: 2000,
      onRefused: (error) => refused.push(error),
    });
    address = gate.address;
  } else {
    address = await pair.victim.bind("tcp://127.0.0.1:*");
  }
  t.after(async () => {
    await Promise.all([pair.victim.close(), pair.friend.close(), gate?.close(0)]);
    await pair.ended();
    await attacker.close();
  });
  pair.friend.connect(address);
  await pair.friend.ready();
  for (let i = 0; i < 500; i++) await pair.exchange(i);
  const target: Target = {
    address,
    socketType: role.socketType,
    frameBytesMax: FRAME_BYTES_MAX,
    message: role.message.map((part) => part.toString("base64")),
    seed,
  };
  const run = async (mode: string): Promise<Outcome> => {
    const outcome = await besiege(pair, () => attacker.attack({ mode, target }));
    if (report) console.log(name, gated, mode, JSON.stringify(outcome), refused.length);
    return outcome;
  };
  return { run, refused, gate };
}

/** Memory that an attack may take behind a gate (bytes). */
const GATED_BYTES_MAX = 32 * 2 ** 20;
/** The loop is busy for no longer behind a gate (milliseconds). */
const STALL_MS_MAX = 100;
/** Every MORE frame of two bytes takes 64 in libzmq; measured are 32 times what was sent. */
const ENDLESS_BYTES = 4_000_000;

describe("attacks without a limit in libzmq: negative controls", () => {
  boundsTest("parts without end take 16 times their bytes, and more", async (t) => {
    const { run } = await siege(t, "Pull", false);
    const { grownBytes } = await run("a message of endless parts");
    assert.ok(grownBytes > 16 * ENDLESS_BYTES, `grew by ${grownBytes} bytes`);
  });

  boundsTest("a message of many parts stalls the event loop", async (t) => {
    const { run } = await siege(t, "Pull", false);
    const { stallMs } = await run("a message of 300,000 parts");
    assert.ok(stallMs > 100, `stalled for ${stallMs} ms`);
  });

  boundsTest("subscriptions take many times their bytes, and stall the event loop", async (t) => {
    const { run } = await siege(t, "Publisher", false);
    const outcome = await run("a flood of subscriptions without common prefixes");
    // Twice what a gate allows: memory that a test before this one has freed is used first.
    assert.ok(outcome.grownBytes > 2 * GATED_BYTES_MAX, `grew by ${outcome.grownBytes} bytes`);
    assert.ok(outcome.stallMs > 100, `stalled for ${outcome.stallMs} ms`);
  });
});

describe(`attacks without a limit in libzmq, behind a gate (seed ${seed})`, () => {
  for (const name of Object.keys(ROLES)) {
    test(`gate: ${name}`, { timeout: WATCHDOG_MS }, async (t) => {
      const { run, refused } = await siege(t, name, true);
      const modes = {
        ...LIMITLESS_MODES,
        ...(name === "Publisher" ? LIMITLESS_SUBSCRIBER_MODES : {}),
      };
      for (const mode of Object.keys(modes)) {
        const before = refused.length;
        const outcome = await run(mode);
        assert.ok(refused.length > before, `${mode}: nobody was refused`);
        assert.equal(refused.at(-1)?.code, "BROKERLESS_PROTOCOL");
        assertWithin(outcome, { stallMs: STALL_MS_MAX, grownBytes: GATED_BYTES_MAX }, mode);
      }
    });
  }

  for (const name of ["Pull", "Publisher"]) {
    test(`gate: all other modes against a ${name}`, { timeout: WATCHDOG_MS }, async (t) => {
      const { run, gate } = await siege(t, name, true);
      const modes = { ...MODES, ...(name === "Publisher" ? SUBSCRIBER_MODES : {}) };
      for (const mode of Object.keys(modes)) {
        const outcome = await run(mode);
        assert.ok(outcome.exchanges > EXCHANGES_AFTER, mode);
        const bounds = { stallMs: STALL_MS_MAX, silenceMs: 1000, grownBytes: 256 * 2 ** 20 };
        assertWithin(outcome, bounds, mode);
      }
      // The last attackers have gone, and the gate learns of it when it next reads from them.
      await eventually(() => assert.equal(gate?.peers, 1, `${gate?.peers} connections are left`));
    });
  }
});

describe("the reader of the gate", () => {
  const limits = { partsMax: 2, messageBytesMax: 1000, topicBytesMax: 0 };
  const hello = Buffer.concat([frames.greeting(), frames.ready("PUSH")]);
  const subscribing = { ...limits, topicBytesMax: 100 };

  const verdicts: readonly [string, Buffer, string | null, typeof limits?][] = [
    ["a handshake alone", Buffer.alloc(0), null],
    [
      "messages of up to two frames",
      Buffer.concat([frames.frame("a"), frames.message("a", "b")]),
      null,
    ],
    ["a frame with a long head", frames.frame("a", { long: true }), null],
    ["empty frames", Buffer.concat([frames.frame(""), frames.message("", "")]), null],
    ["PING and PONG", Buffer.concat([frames.ping(10, "context"), frames.pong()]), null],
    ["three frames", frames.message("a", "b", "c"), "a message of too many frames"],
    ["two MORE frames", Buffer.from([1, 0, 1, 0]), "a message of too many frames"],
    ["1,001 bytes in two frames", frames.message(Buffer.alloc(1000), "b"), "a message too long"],
    ["2^63-1 bytes", frames.frameHead(0, { length: 2n ** 63n - 1n }), "a message too long"],
    ["unknown flags", Buffer.from([8, 0]), "unknown flags"],
    ["a long command", frames.command("X", Buffer.alloc(2000)), "a command too long"],
    [
      "a command with MORE",
      frames.frame("", { command: true, more: true }),
      "a command of several frames",
    ],
    [
      "topics",
      Buffer.concat([frames.subscribeMessage("a"), frames.subscribeCommand("b")]),
      null,
      subscribing,
    ],
    ["a long topic", frames.subscribeMessage("a".repeat(2000)), "a message too long", subscribing],
    [
      "a long topic in a command",
      frames.subscribeCommand("a".repeat(2000)),
      "a topic too long",
      subscribing,
    ],
    [
      "the same topic repeatedly",
      Buffer.concat(Array(99).fill(frames.subscribeMessage("abcdefg"))),
      null,
      subscribing,
    ],
    [
      "many topics",
      Buffer.concat(Array.from({ length: 30 }, (_, i) => frames.subscribeMessage(`topic.${i}`))),
      'too many subscriptions: their topics have more than 100 bytes (option "peerTopicBytesMax")',
      subscribing,
    ],
    [
      "a message that is no subscription",
      Buffer.concat([frames.subscribeMessage("a"), frames.frame("\x02a")]),
      "a message that is no subscription",
      subscribing,
    ],
    [
      "topics that are subscribed and cancelled",
      Buffer.concat(
        Array.from({ length: 30 }, (_, i) =>
          Buffer.concat([frames.subscribeCommand(`topic.${i}`), frames.frame(`\0topic.${i}`)]),
        ),
      ),
      null,
      subscribing,
    ],
    [
      "topics that are cancelled without a subscription",
      Buffer.concat(
        Array.from({ length: 30 }, (_, i) =>
          Buffer.concat([frames.subscribeMessage(`topic.${i}`), frames.frame("\0other.topic")]),
        ),
      ),
      'too many subscriptions: their topics have more than 100 bytes (option "peerTopicBytesMax")',
      subscribing,
    ],
  ];

  for (const [what, bytes, verdict, limit] of verdicts) {
    test(`gate: ${what}: ${verdict ?? "passes"}, in any division into chunks`, () => {
      for (const cut of [1, 2, 3, 7, 64, 1e6]) {
        const reader = new GateReader(limit ?? limits);
        let refusal: string | null = null;
        const all = Buffer.concat([hello, bytes]);
        for (let at = 0; at < all.length && refusal === null; at += cut) {
          refusal = reader.read(all.subarray(at, at + cut));
        }
        assert.equal(refusal, verdict, `cut into ${cut}`);
      }
    });
  }

  test("gate: subscriptions count for all connections together, while they last", () => {
    const hello = Buffer.concat([frames.greeting(), frames.ready("SUB")]);
    const topics = frames.subscribeMessage("a".repeat(79));
    const budget = new TopicBudget(200);
    const readers = [1, 2, 3].map(() => new GateReader(subscribing, budget));
    for (const reader of readers) assert.equal(reader.read(hello), null);
    assert.equal(readers[0]!.read(topics), null);
    assert.equal(readers[1]!.read(topics), null);
    assert.match(String(readers[2]!.read(topics)), /all peers together/);
    for (const reader of readers) reader.end();
    assert.equal(budget.bytes, 0);
    const control = new GateReader(subscribing);
    assert.equal(control.read(Buffer.concat([hello, topics])), null);
  });

  test("gate: connections without a ZMTP 3 greeting for NULL are refused", () => {
    for (const options of [{ major: 2 }, { mechanism: "CURVE" }, { mechanism: "NULLX" }]) {
      assert.match(String(new GateReader(limits).read(frames.greeting(options))), /not/);
    }
    assert.equal(new GateReader(limits).read(Buffer.alloc(64, "GET / HTTP/1.1")), "not ZMTP 3");
    const early = Buffer.concat([frames.greeting(), frames.frame("a")]);
    assert.equal(new GateReader(limits).read(early), "a message before READY");
  });

  test("gate: connections beyond connectionsMax are refused, and the others stay", async (t) => {
    const { gate, refused } = await siege(t, "Pull", true);
    const peers: ZmtpPeer[] = [];
    for (let i = 0; i < 199; i++) {
      peers.push(await ZmtpPeer.join(gate!.address, { socketType: "PUSH" }));
    }
    // The reset may come before we have noticed that we were connected.
    await ZmtpPeer.connect(gate!.address).then(
      (late) => late.ended(),
      () => {},
    );
    assert.equal(refused.length, 1);
    assert.equal(peers.filter((peer) => peer.closed).length, 0);
    for (const peer of peers) peer.destroy();
  });
});
