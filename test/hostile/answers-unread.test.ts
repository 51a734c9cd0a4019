/** Peers of a Replier that ask and do not read what they are answered, or read late. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Replier, Requester } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { open, range } from "../support/fixtures.ts";
import { message } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

const EMPTY = Buffer.alloc(0);
const BIG = "x".repeat(250_000);
/** So few that ZeroMQ and the kernel take a part of the answers alone. */
const PEER_FRAMES = 4;
const CONCURRENCY = 2;

/** A question that has its number as its id. */
const question = (index: number): Buffer => {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(index);
  return message(id, EMPTY, Buffer.from([0xa3, ...Buffer.from("big")]));
};

/** A replier that gives long answers to those who ask for them, and a peer that has asked and does not read. */
async function stuckPeer(
  t: TestContext,
  count: number,
): Promise<{ replier: Replier<string, string>; address: string; peer: ZmtpPeer }> {
  const replier = open(t, new Replier<string, string>({ peerFramesMax: PEER_FRAMES }));
  const address = await replier.bind("tcp://127.0.0.1:*");
  const handle = (asked: string): string => (asked === "big" ? BIG : asked);
  void replier.serve(handle, { concurrency: CONCURRENCY });
  const peer = await ZmtpPeer.join(address, { socketType: "DEALER" });
  t.after(() => peer.destroy());
  peer.pause();
  await peer.write(Buffer.concat(range(count).map(question)));
  // With nobody else there, what is open for longer than a turn waits for the peer.
  await eventually(() => assert.ok(replier.stats().queuedMessages > 0));
  return { replier, address, peer };
}

/** Were their answers to wait for those of the peer, a second for each two, the last would come after its time. */
const REQUESTS = 120;

test("replies: a peer that never reads delays nobody else, although only two requests are served at a time", async (t) => {
  const { address } = await stuckPeer(t, 1_000);
  const requester = open(t, new Requester<string, string>());
  requester.connect(address);
  await requester.ready();
  const answers = range(REQUESTS).map((n) => requester.request(`${n}`));
  assert.deepEqual(
    await Promise.all(answers),
    range(REQUESTS).map((n) => `${n}`),
  );
});

test("replies: a peer that reads late gets every reply", async (t) => {
  const count = 200;
  const { peer, replier } = await stuckPeer(t, count);
  peer.resume();
  const answered = new Set<number>();
  for (const _ of range(count)) {
    const parts = await peer.receive();
    answered.add(parts![0]!.readUInt32BE());
    assert.ok(parts!.at(-1)!.length > BIG.length);
  }
  assert.equal(answered.size, count);
  assert.equal(replier.stats().messagesDropped, 0);
  await replier.drain();
});

test("replies: replies that wait for a peer are dropped as soon as it leaves", async (t) => {
  const { peer, replier } = await stuckPeer(t, 200);
  const drained = replier.drain();
  peer.reset();
  await drained;
  await eventually(() => assert.ok(replier.stats().messagesDropped > 0));
  await eventually(() => assert.equal(replier.stats().queuedMessages, 0));
});

test("replies: close ends the wait for a peer, and that of drain", async (t) => {
  const { replier } = await stuckPeer(t, 200);
  const drained = replier.drain();
  await replier.close();
  await assert.rejects(drained, { code: "BROKERLESS_CLOSED" });
  assert.equal(replier.stats().queuedMessages, 0);
  assert.ok(replier.stats().messagesDropped > 0);
});
