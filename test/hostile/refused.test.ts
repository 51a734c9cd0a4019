import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { BrokerlessError } from "../../lib/index.ts";
import { type Pull, Requester } from "../../lib/index.ts";
import { greeting, message, ready } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";
import { ROLES } from "./roles.ts";

/** A victim, a hostile peer that has completed its handshake, and the errors as they come. */
async function meet(t: TestContext, name: string) {
  const role = ROLES[name]!;
  const pair = role.make();
  const errors: BrokerlessError[] = [];
  let wake: () => void = () => {};
  pair.victim.on("error", (error) => {
    errors.push(error);
    wake();
  });
  const count = async (wanted: number): Promise<void> => {
    while (errors.length < wanted) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const address = await pair.victim.bind("tcp://127.0.0.1:*");
  const peer = await ZmtpPeer.join(address, { socketType: role.socketType });
  t.after(async () => {
    peer.destroy();
    await Promise.all([pair.victim.close(), pair.friend.close()]);
    await pair.ended();
  });
  return { role, pair, errors, count, peer, address };
}

describe("frames that must be refused", () => {
  for (const [name, { refused }] of Object.entries(ROLES)) {
    if (refused.length === 0) continue;
    test(`${name}: each is counted and reported, and later frames are received`, async (t) => {
      const { role, pair, errors, count, peer, address } = await meet(t, name);
      if (pair.victim instanceof Requester) {
        // It reads while a question is open.
        pair.victim.request(0, { timeoutMs: 60_000 }).catch(() => {});
      }
      for (const [index, parts] of role.refused.entries()) {
        await peer.write(message(...parts));
        await count(index + 1);
        const shown = parts.map((part) => part.toString("hex", 0, 8)).join(" ");
        assert.match(errors[index]!.code, /^BROKERLESS_(PROTOCOL|CODEC)$/, shown);
        assert.equal(pair.victim.stats().framesRefused, index + 1, shown);
      }
      assert.equal(peer.closed, false);
      pair.friend.connect(address);
      await pair.friend.ready();
      await pair.exchange(7);
      assert.equal(errors.length, role.refused.length);
    });
  }

  test("Router: a peer that takes the routing id of another gets none of its messages", async (t) => {
    const { pair, peer, address } = await meet(t, "Router");
    peer.destroy();
    const identity = "alice";
    const first = await ZmtpPeer.join(address, { socketType: "DEALER", identity });
    const thief = await ZmtpPeer.join(address, { socketType: "DEALER", identity });
    t.after(() => {
      first.destroy();
      thief.destroy();
    });
    // An integer that is a whole message, as a msgpack socket writes it.
    const body = (value: number): Buffer => Buffer.of(0xcc, value);
    for (const value of [1, 2, 3]) {
      await first.write(message(body(value)));
      assert.deepEqual((await first.receive())?.[0], body(value));
    }
    thief.write(message(Buffer.of(4)));
    pair.friend.connect(address);
    await pair.friend.ready();
    await pair.exchange(7);
    await first.write(message(body(5)));
    assert.deepEqual((await first.receive())?.[0], body(5));
  });

  test("Publisher: a forged announcement does not prevent ready() from counting the others", async (t) => {
    const { pair, peer, address } = await meet(t, "Publisher");
    const forged = "\x01\0brokerless\0AAAAAAAAAAAAAAAA.1.9007199254740991";
    await peer.write(message(forged));
    pair.friend.connect(address);
    await pair.friend.ready();
    await pair.victim.ready({ timeoutMs: 30_000 });
  });

  test("Pull: connections that never become peers do not change the count of peers", async (t) => {
    const { pair, peer, address } = await meet(t, "Pull");
    const lost: unknown[] = [];
    (pair.victim as Pull).on("peerLost", (event) => lost.push(event));
    for (let i = 0; i < 10; i++) {
      const stranger = await ZmtpPeer.connect(address);
      await stranger.write(Buffer.concat([greeting(), ready("PAIR")]));
      await stranger.ended();
    }
    // The friend's arrival is reported after everything that happened before it.
    pair.friend.connect(address);
    await pair.friend.ready();
    await pair.exchange(7);
    assert.equal(peer.closed, false);
    assert.deepEqual(lost, []);
    assert.equal(pair.victim.stats().peers, 2);
  });
});
