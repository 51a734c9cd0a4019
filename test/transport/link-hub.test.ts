import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LinkHub, type LinkHubListener } from "../../lib/transport/link-hub.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { checkAddress } from "../../lib/transport/native/address.ts";
import { eventually } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";

/** The pause between two suspicions (milliseconds). */
const SUSPECT_MS = 30;
/** So long the event loop stands still: only a control that should fail may pass where that is too short (milliseconds). */
const BUSY_MS = 30;
const LISTENER: LinkHubListener = {
  onConnect: () => {},
  onMessage: () => {},
  onGone: () => {},
  onSuspect: () => {},
  onProblem: () => {},
  onUnguarded: () => {},
};

function hub(
  t: TestContext,
  listener: Partial<LinkHubListener> = {},
  lingerMs: number = 0,
): LinkHub {
  const made = new LinkHub(
    {
      settings: {
        lingerMs,
        heartbeatMs: 0,
        frameBytesMax: 1_000,
        peerFramesMax: 100,
        name: null,
      },
      security: null,
      gate: false,
      gateLimits: { partsMax: 3, messageBytesMax: 1_000, topicBytesMax: 0, connectionsMax: 1_000 },
    },
    { ...LISTENER, ...listener },
  );
  t.after(() => made.close());
  return made;
}

/** A hub with so many peers that have said something. */
async function crowded(t: TestContext, count: number, listener: Partial<LinkHubListener> = {}) {
  const heard = new Set<LinkPeer>();
  const center = hub(t, { ...listener, onMessage: (peer) => void heard.add(peer) });
  const address = await center.bind(checkAddress("tcp://127.0.0.1:*", "bind", "bind"));
  const others = range(count).map(() => {
    const other = hub(t, { onConnect: (peer) => peer.send([Buffer.from("hello")]) });
    other.connect(checkAddress(address, "connect", "connect"));
    return other;
  });
  await eventually(() => assert.equal(heard.size, count));
  return { center, heard, others };
}

test("link hub: many peers that leave together cause one check, not one each", async (t) => {
  let suspicions = 0;
  const { others, heard } = await crowded(t, 60, {
    onSuspect: () => {
      suspicions += 1;
      for (const peer of heard) peer.send([Buffer.from("there?")]);
    },
    onGone: (peer) => {
      heard.delete(peer);
      peer.close();
    },
  });
  const startMs = performance.now();
  await Promise.all(others.map((other) => other.close()));
  await eventually(() => assert.equal(heard.size, 0));
  const allowed = Math.ceil((performance.now() - startMs) / SUSPECT_MS) + 1;
  assert.ok(suspicions >= 1 && suspicions <= allowed, `${suspicions}, at most ${allowed}`);
});

test("link hub: a closed peer is no longer remembered", async (t) => {
  const { center, heard } = await crowded(t, 3);
  assert.equal(center.remembered, 3);
  for (const peer of heard) peer.close();
  assert.equal(center.remembered, 0);
});

test("link hub: a forgotten peer still receives its messages, and may send again", async (t) => {
  let heard = 0;
  const center = hub(t, {
    onMessage: (peer) => {
      heard += 1;
      peer.send([Buffer.from("no")]);
      peer.forget();
    },
  });
  const address = await center.bind(checkAddress("tcp://127.0.0.1:*", "bind", "bind"));
  const other = hub(t, {
    onConnect: (peer) => peer.send([Buffer.from("hello")]),
    onMessage: (peer) => {
      if (heard < 3) peer.send([Buffer.from("again")]);
    },
  });
  other.connect(checkAddress(address, "connect", "connect"));
  await eventually(() => assert.equal(heard, 3));
  // It is known for a second, so that what it says meanwhile counts as its own.
  assert.equal(center.remembered, 1);
  await eventually(() => assert.equal(center.remembered, 0));
});

test("link hub: messages that a peer sent before it closed are received before its end, on either side", async (t) => {
  const words = ["done", "told", "bye"].map((word) => Buffer.from(word));
  for (const side of range(24).map((index) => (index % 2 === 0 ? "binds" : "connects"))) {
    const heard: string[] = [];
    let speaker: LinkPeer | null = null;
    const meet = (peer: LinkPeer): void => peer.send([Buffer.from("hello")]);
    const hear = (peer: LinkPeer): void => {
      speaker = peer;
    };
    const talker = hub(t, { onConnect: meet, onMessage: hear }, 1_000);
    const listener = hub(t, {
      onConnect: meet,
      onMessage: (peer, [word]) => {
        heard.push(`${word}`);
        if (`${word}` === "hello") peer.send([Buffer.from("hello")]);
      },
      onGone: () => heard.push("gone"),
      onSuspect: () => heard.push("gone"),
    });
    const [bound, connected] = side === "binds" ? [talker, listener] : [listener, talker];
    const address = await bound.bind(checkAddress("tcp://127.0.0.1:*", "bind", "bind"));
    connected.connect(checkAddress(address, "connect", "connect"));
    await eventually(() => assert.ok(speaker !== null));
    for (const word of words) speaker!.send([word]);
    const closed = talker.close();
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    // Whoever is busy finds the words and the end of the connection together.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
    await closed;
    await eventually(() => assert.ok(heard.includes("gone")));
    const said = heard.filter((word) => word !== "hello");
    assert.deepEqual(said.slice(0, 4), ["done", "told", "bye", "gone"], side);
  }
});

test("link hub: unsent messages to a peer that left are not sent to the next peer at its address", async (t) => {
  const [first, second] = [[] as string[], [] as string[]];
  const place = (heard: string[]): LinkHub =>
    hub(t, { onMessage: (_, [word]) => void heard.push(`${word}`) });
  let peer: LinkPeer | null = null;
  let isGone = false;
  const asker = hub(t, {
    onConnect: (made) => {
      made.send([Buffer.from("hello")]);
      peer ??= made;
    },
    onGone: () => {
      isGone = true;
    },
  });
  const before = place(first);
  const address = checkAddress(
    await before.bind(checkAddress("tcp://127.0.0.1:*", "bind", "bind")),
    "connect",
    "connect",
  );
  asker.connect(address);
  await eventually(() => assert.deepEqual(first, ["hello"]));
  const closed = before.close();
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
  // The connection is gone, and the asker has not heard of it.
  for (const index of range(5)) peer!.send([Buffer.from(`late ${index}`)]);
  await closed;
  await eventually(() => assert.ok(isGone));
  await place(second).bind(address);
  await eventually(() => assert.ok(second.includes("hello")));
  assert.deepEqual(second, ["hello"]);
});
