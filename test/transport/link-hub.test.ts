import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { checkAddress } from "../../lib/transport/address.ts";
import { LinkHub, type LinkHubListener, type LinkPeer } from "../../lib/transport/link-hub.ts";
import { eventually } from "../support/eventually.ts";
import { range } from "../support/fixtures.ts";

/** The pause between two suspicions (milliseconds). */
const SUSPECT_MS = 30;
const LISTENER: LinkHubListener = {
  onConnect: () => {},
  onMessage: () => {},
  onGone: () => {},
  onSuspect: () => {},
  onProblem: () => {},
  onUnguarded: () => {},
};

function hub(t: TestContext, listener: Partial<LinkHubListener> = {}): LinkHub {
  const made = new LinkHub(
    {
      settings: { lingerMs: 0, heartbeatMs: 0, frameBytesMax: 1_000, peerFramesMax: 100 },
      security: null,
      gate: false,
      gateLimits: { partsMax: 3, messageBytesMax: 1_000, topicBytesMax: 0 },
    },
    { ...LISTENER, ...listener },
  );
  t.after(() => made.close());
  return made;
}

/** A hub with so many peers that have said something. */
async function crowded(t: TestContext, count: number, listener: Partial<LinkHubListener> = {}) {
  const heard = new Set<LinkPeer>();
  const center = hub(t, { ...listener, onMessage: (peer) => heard.add(peer) });
  const address = await center.bind(checkAddress("tcp://127.0.0.1:*", "bind", "bind"));
  const others = range(count).map(() => {
    const other = hub(t, { onConnect: (peer) => peer.send([Buffer.from("hello")]) });
    other.connect(checkAddress(address, "connect", "connect"));
    return other;
  });
  await eventually(() => assert.equal(heard.size, count));
  return { center, heard, others };
}

test("link hub: many peers that go together are one suspicion, not one each", async (t) => {
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

test("link hub: a peer that was closed is remembered no longer", async (t) => {
  const { center, heard } = await crowded(t, 3);
  assert.equal(center.remembered, 3);
  for (const peer of heard) peer.close();
  assert.equal(center.remembered, 0);
});

test("link hub: a peer that is forgotten hears what was said to it, and may speak again", async (t) => {
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
  assert.equal(center.remembered, 0);
});
