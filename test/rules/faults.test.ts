/** Claims that do not hold yet. Who mends one takes its `todo` away and moves it to its role. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Publisher, Replier, Requester, raw, Subscriber } from "../../lib/index.ts";
import { gate, open, range } from "../support/fixtures.ts";

const OPEN = { todo: "issue 2", timeout: 5_000 } as const;

test("requester: what is refused at request is counted and reported", OPEN, async (t) => {
  const requester = open(t, new Requester<unknown>({ messageBytesMax: 100 }));
  const codes: string[] = [];
  requester.on("error", ({ code }) => codes.push(code));
  await assert.rejects(requester.request("x".repeat(200)));
  await assert.rejects(requester.request(() => {}));
  assert.equal(requester.stats().sendsRefused, 2);
  assert.deepEqual(codes, ["BROKERLESS_TOO_LARGE", "BROKERLESS_CODEC"]);
});

test("requester: a question given up before any replier was there is not sent", OPEN, async (t) => {
  const requester = open(t, new Requester<string, string>());
  const controller = new AbortController();
  const first = requester.request("given up", { signal: controller.signal });
  controller.abort();
  await assert.rejects(first, { name: "AbortError" });
  const seen: string[] = [];
  const replier = open(t, new Replier<string, string>());
  void replier.serve((text) => {
    seen.push(text);
    return text;
  });
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  await requester.request("asked");
  assert.deepEqual(seen, ["asked"]);
});

test("requester: questions that were given up take no memory", OPEN, async (t) => {
  const requester = open(t, new Requester({ codec: raw() as never }));
  for (const _ of range(1_000)) {
    const controller = new AbortController();
    const question = requester.request(new Uint8Array(10_000), { signal: controller.signal });
    controller.abort();
    await assert.rejects(question, { name: "AbortError" });
  }
  const { queuedMessages } = requester.stats();
  assert.equal(queuedMessages <= 1, true, `${queuedMessages} questions are kept`);
});

test("publisher: an idle inproc subscriber that disconnects is not counted", OPEN, async (t) => {
  const publisher = open(t, new Publisher());
  const subscriber = open(t, new Subscriber());
  subscriber.subscribe("a");
  const address = await publisher.bind("inproc://idle-subscriber");
  subscriber.connect(address);
  await Promise.all([publisher.ready(), subscriber.ready()]);
  const left = gate<unknown>();
  publisher.on("subscribers", left.open);
  subscriber.disconnect(address);
  assert.deepEqual(await left.promise, { count: 0 });
});
