import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Replier, Requester } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { gate, open } from "../support/fixtures.ts";
import { greeting, message, ready } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

const NAME = "till-7";
const ID = Buffer.from([0, 0, 0, 7]);
const EMPTY = Buffer.alloc(0);
/** A short text in MessagePack. */
const text = (words: string): Buffer => Buffer.from([0xa0 | words.length, ...Buffer.from(words)]);
const textOf = (parts: Buffer[] | null): string => parts?.at(-1)?.toString("utf8", 1) ?? "";

const joinAs = (address: string): Promise<ZmtpPeer> =>
  ZmtpPeer.join(address, { socketType: "DEALER", identity: NAME });

/** Asks, and is answered; by then whatever came before it on other connections was read too. */
async function exchange(peer: ZmtpPeer, question: string): Promise<string> {
  await peer.write(message(ID, EMPTY, text(question)));
  return textOf(await peer.receive());
}

for (const concurrency of [64, 1]) {
  test(`replies: a peer that takes the routing id of a lost client does not get its reply (${concurrency} at a time)`, async (t) => {
    const replier = open(t, new Replier<string, string>());
    const address = await replier.bind("tcp://127.0.0.1:*");
    const { promise, open: release } = gate();
    let asked = 0;
    const handle = async (question: string): Promise<string> => {
      asked += 1;
      if (question === "mine") await promise;
      return `for ${question}`;
    };
    void replier.serve(handle, { concurrency });
    const witness = await ZmtpPeer.join(address, { socketType: "DEALER" });
    const honest = await joinAs(address);
    await honest.write(message(ID, EMPTY, text("mine")));
    await eventually(() => assert.equal(asked, 1));
    honest.reset();
    await eventually(() => assert.equal(replier.stats().peers, 1));
    // A busy replier reads on, so that the name is free soon. An idle one has read it when others are answered.
    for (let i = 0; i < 5 && concurrency > 1; i++) await exchange(witness, "hers");
    const thief = await joinAs(address);
    await thief.write(message(ID, EMPTY, text("hers")));
    if (concurrency > 1) assert.equal(textOf(await thief.receive()), "for hers");
    release();
    await eventually(() => assert.equal(replier.stats().messagesDropped, 1));
    assert.equal(await exchange(witness, "ours"), "for ours");
    thief.end();
    for (let parts = await thief.receive(); parts !== null; parts = await thief.receive()) {
      assert.equal(textOf(parts), "for hers");
    }
    witness.destroy();
  });
}

test("replies: an empty message, which looks like the end of a connection, only costs its sender its own replies", async (t) => {
  const replier = open(t, new Replier<string, string>());
  const address = await replier.bind("tcp://127.0.0.1:*");
  const { promise, open: release } = gate();
  void replier.serve(async (question) => {
    if (question === "wait") await promise;
    return `for ${question}`;
  });
  const forger = await ZmtpPeer.join(address, { socketType: "DEALER" });
  const honest = await ZmtpPeer.join(address, { socketType: "DEALER" });
  for (const peer of [forger, honest]) await peer.write(message(ID, EMPTY, text("wait")));
  await eventually(() => assert.equal(replier.stats().queuedMessages, 2));
  await forger.write(message(EMPTY));
  assert.equal(await exchange(forger, "more"), "for more");
  release();
  assert.equal(textOf(await honest.receive()), "for wait");
  await eventually(() => assert.equal(replier.stats().messagesDropped, 1));
  for (const peer of [forger, honest]) peer.destroy();
});

test("replies: control: a ROUTER by itself sends the reply to any peer with the routing id", async (t) => {
  const router = new zmq.Router({ linger: 0, mandatory: true });
  t.after(() => router.close());
  let lost = false;
  router.events.on("disconnect", () => {
    lost = true;
  });
  await router.bind("tcp://127.0.0.1:*");
  const address = router.lastEndpoint!;
  const honest = await joinAs(address);
  await honest.write(message(ID, EMPTY, text("mine")));
  const [peer, ...envelope] = await router.receive();
  honest.reset();
  await eventually(() => assert.equal(lost, true));
  const witness = await ZmtpPeer.join(address, { socketType: "DEALER" });
  // Until the router has read that the first is gone, a second one of its name is ignored.
  for (let i = 0; i < 5; i++) {
    await witness.write(message(ID, EMPTY, text("hers")));
    await router.receive();
    void router.readable;
  }
  const thief = await joinAs(address);
  await thief.write(message(ID, EMPTY, text("hers")));
  await router.receive();
  await router.send([peer!, ...envelope.slice(0, 2), text("for mine")]);
  assert.equal(textOf(await thief.receive()), "for mine");
  for (const each of [thief, witness]) each.destroy();
});

/** A replier that answers each question, and says what it likes under other ids too. */
async function hostileReplier(t: TestContext, answer: (id: Buffer) => Buffer[]): Promise<string> {
  const server = createServer((socket) => {
    const peer = new ZmtpPeer(socket);
    void peer.write(Buffer.concat([greeting(), ready("ROUTER")])).then(async () => {
      for (let parts = await peer.receive(); parts !== null; parts = await peer.receive()) {
        await peer.write(Buffer.concat(answer(parts[0]!)));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `tcp://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** The number in the id of a request is behind its mark (bytes). */
const NUMBER_AT = 4;

test("replies: a replier cannot reply to requests that it did not get", async (t) => {
  const { promise, open: release } = gate();
  const honest = open(t, new Replier<string, string>());
  void honest.serve(async (question) => {
    await promise;
    return `honest: ${question}`;
  });
  let forged = 0;
  const hostile = await hostileReplier(t, (id) => {
    const near = [-2, -1, 1, 2].map((delta) => {
      const other = Buffer.from(id);
      other.writeUInt32BE((id.readUInt32BE(NUMBER_AT) + delta) >>> 0, NUMBER_AT);
      return message(other, EMPTY, text("forged"));
    });
    forged += near.length;
    return [...near, message(id, EMPTY, text("own"))];
  });
  const requester = open(t, new Requester<string, string>());
  requester.connect(await honest.bind("tcp://127.0.0.1:*"));
  requester.connect(hostile);
  await requester.ready({ peers: 2 });
  const answers = ["a", "b", "c", "d"].map((question) => requester.request(question));
  await eventually(() => assert.ok(requester.stats().messagesDropped >= forged && forged > 0));
  release();
  const said = (await Promise.all(answers)).map((answer) => answer.replace(/ .*/, ""));
  assert.deepEqual(said.sort(), ["honest:", "honest:", "own", "own"]);
});

test("replies: an error is parsed only for a pending request, and only up to the longest allowed", async (t) => {
  const parse = t.mock.method(JSON, "parse");
  const failed = (id: Buffer, json: string): Buffer =>
    message(id, EMPTY, Buffer.from("brokerless-error"), Buffer.from(json));
  const long = `[${"[],".repeat(30_000)}0]`;
  let asked = 0;
  const hostile = await hostileReplier(t, (id) => {
    asked += 1;
    return [
      failed(Buffer.alloc(12, 7), "[]"),
      failed(id, asked === 1 ? long : '{"message":"mine"}'),
    ];
  });
  const requester = open(t, new Requester<string, string>());
  requester.connect(hostile);
  await assert.rejects(requester.request("a"), {
    code: "BROKERLESS_TOO_LARGE",
    message: /^the error of a reply has 90003 bytes/,
  });
  await assert.rejects(requester.request("b"), { name: "RemoteError", message: "mine" });
  const { messagesDropped, framesRefused, messagesReceived } = requester.stats();
  assert.deepEqual([messagesDropped, framesRefused, messagesReceived], [2, 1, 2]);
  const read = parse.mock.calls.map(({ arguments: [text] }) => text);
  assert.ok(read.includes('{"message":"mine"}'));
  assert.ok(!read.includes("[]") && !read.includes(long), "it was read");
});
