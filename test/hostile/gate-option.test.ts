import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type CommonOptions,
  generateKeyPair,
  Pull,
  Push,
  Replier,
  Router,
  type TypedSocket,
} from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";
import { frame, greeting, property, ready } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

/** Empty frames that promise more, in one piece. */
const PARTS = Buffer.concat(Array.from({ length: 1_000 }, () => frame("", { more: true })));
/** Pieces after which an attacker gives up (count). */
const PIECES = 200;

/** Sends one message of endless parts. */
async function attack(t: TestContext, address: string): Promise<ZmtpPeer> {
  const peer = await ZmtpPeer.join(address, { socketType: "PUSH" });
  t.after(() => peer.destroy());
  for (let piece = 0; piece < PIECES && !peer.closed; piece++) {
    await peer.write(PARTS).catch(() => {});
  }
  return peer;
}

for (const [title, options, bindTo] of [
  ["with gate: true", { gate: true }, "tcp://127.0.0.1:*"],
  ['beyond loopback with security "none"', { security: "none" }, "tcp://0.0.0.0:*"],
] as const) {
  test(`gate: ${title}, endless parts end their connection, and others are served`, async (t) => {
    const pull = open(t, new Pull<number>(options));
    const push = open(t, new Push<number>());
    const errors = errorsOf(pull);
    const address = (await pull.bind(bindTo)).replace("0.0.0.0", "127.0.0.1");
    push.connect(address);
    await Promise.all([push.ready(), pull.ready()]);
    const attacker = await attack(t, address);
    await eventually(() => assert.equal(attacker.closed, true));
    await eventually(() => assert.match(errors[0]?.message ?? "", /too many frames/));
    for (let n = 0; n < 5_000; n++) await push.send(n);
    let count = 0;
    for await (const n of pull) {
      assert.equal(n, count);
      if (++count === 5_000) break;
    }
    await eventually(() => assert.equal(pull.stats().peers, 1));
  });
}

test("gate: control: without a gate the same attacker is not cut off", async (t) => {
  const pull = open(t, new Pull<number>({ gate: false }));
  const attacker = await attack(t, await pull.bind("tcp://127.0.0.1:*"));
  assert.equal(attacker.closed, false);
});

test("gate: unbind and close free the address at once", async (t) => {
  const first = open(t, new Pull<number>({ gate: true }));
  const address = await first.bind("tcp://127.0.0.1:*");
  await first.unbind(address);
  assert.equal(await first.bind(address), address);
  await first.close();
  const second = open(t, new Pull<number>({ gate: true }));
  assert.equal(await second.bind(address), address);
  const third = open(t, new Pull<number>({ gate: true }));
  await assert.rejects(third.bind(address), { code: "BROKERLESS_ADDRESS" });
});

/** Peers of four roles that are ROUTERs on the wire. */
const ROUTERS = {
  Router: (options: CommonOptions) => new Router(options),
  Replier: (options: CommonOptions) => new Replier({ gate: options.gate }),
  "reliable Push": (options: CommonOptions) => new Push({ ...options, reliable: true }),
  "reliable Pull": (options: CommonOptions) => new Pull({ ...options, reliable: true }),
};
const STRANGERS_ID = "\0\x6b\x8b\x45\x67";

for (const [name, make] of Object.entries(ROUTERS)) {
  test(`gate: a ${name} gets no routing id of ZeroMQ's own form, and no duplicate one`, async (t) => {
    const socket = open(t, make({ gate: true }));
    const errors = errorsOf(socket as TypedSocket);
    const address = await socket.bind("tcp://127.0.0.1:*");
    const arrive = async (...identity: Buffer[]): Promise<ZmtpPeer> => {
      const peer = await ZmtpPeer.connect(address);
      t.after(() => peer.destroy());
      await peer.write(Buffer.concat([greeting(), ready("DEALER", ...identity)]));
      return peer;
    };
    const named = (id: string): Buffer => property("Identity", Buffer.from(id, "latin1"));
    for (const [identity, reason] of [
      [[named(STRANGERS_ID)], /begins with a zero byte/],
      [[named("a"), named(STRANGERS_ID)], /two routing ids/],
      [[named("a".repeat(256))], /too long/],
      [[named("a").subarray(0, -1)], /cut off/],
    ] as const) {
      await (await arrive(...identity)).ended();
      await eventually(() => assert.match(errors.at(-1)?.message ?? "", reason));
    }
    const first = await arrive(named("a"));
    assert.match(String(await first.receiveCommand()), /READY/);
    await (await arrive(named("a"))).ended();
    await eventually(() => assert.match(errors.at(-1)?.message ?? "", /another peer has/));
    assert.equal(first.closed, false);
    first.end();
    await eventually(() => assert.equal(socket.stats().connectionsRefused, 5));
    const nameless = await arrive();
    assert.match(String(await nameless.receiveCommand()), /READY/);
  });
}

test("gate: messages between a reliable Pull and Push pass, whichever side binds", async (t) => {
  for (const binds of ["pull", "push"] as const) {
    const pull = open(t, new Pull<number>({ reliable: true, gate: true }));
    const push = open(t, new Push<number>({ reliable: true, gate: true }));
    if (binds === "pull") push.connect(await pull.bind("tcp://127.0.0.1:*"));
    else pull.connect(await push.bind("tcp://127.0.0.1:*"));
    const sent = push.send(7, { confirm: "processed" });
    assert.equal(await pull.receive(), 7);
    await pull.drain();
    await sent;
    assert.deepEqual([pull.stats().connectionsRefused, push.stats().connectionsRefused], [0, 0]);
  }
});

test("gate: over ipc it admits honest peers, and frees the path", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const address = `ipc://${directory}/socket`;
  const pull = open(t, new Pull<number>({ gate: true }));
  const push = open(t, new Push<number>());
  for (let round = 0; round < 3; round++) {
    push.connect(await pull.bind(address));
    await Promise.all([push.ready(), pull.ready()]);
    await push.send(round);
    assert.equal(await pull.receive(), round);
    push.disconnect(address);
    await pull.unbind(address);
  }
});

test("gate: requesting one where there cannot be any is a TypeError", async (t) => {
  const keys = generateKeyPair();
  const security = { ...keys, serverKey: keys.publicKey };
  const pull = open(t, new Pull({ gate: true }));
  const client = open(t, new Pull({ gate: true, security }));
  await assert.rejects(pull.bind("ipc://@brokerless.gated"), TypeError);
  await assert.rejects(client.bind("tcp://127.0.0.1:*"), TypeError);
});

test("gate: connections beyond connectionsMax are refused, reported, and counted", async (t) => {
  const pull = open(t, new Pull<number>({ gate: true, connectionsMax: 2 }));
  const errors = errorsOf(pull);
  const address = await pull.bind("tcp://127.0.0.1:*");
  const peers = [];
  for (let index = 0; index < 2; index++) {
    peers.push(await ZmtpPeer.join(address, { socketType: "PUSH" }));
  }
  for (let index = 0; index < 50; index++) {
    const late = await ZmtpPeer.connect(address).catch(() => null);
    await late?.ended();
  }
  assert.equal(pull.stats().connectionsRefused, 50);
  assert.match(errors[0]?.message ?? "", /more than 2 connections/);
  assert.ok(errors.length < 50, `${errors.length} events for 50 refusals`);
  for (const peer of peers) peer.destroy();
});
