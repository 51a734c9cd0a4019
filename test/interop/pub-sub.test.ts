import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError, Publisher, Subscriber } from "../../lib/index.ts";
import { cases, fromPython, meet, optionsOf, sampleValues } from "./cases.ts";
import { needsPython } from "./python.ts";
import type { PythonPeer } from "./python-peer.ts";

const COUNT = 300;

for (const at of cases) {
  test(`interop: Publisher to SUB: ${at.title}`, needsPython(), async (t) => {
    const publisher = new Publisher<Record<string, unknown>>(optionsOf(at));
    const peer = await meet(t, publisher, { kind: "sub", at, prefixes: ["quotes.", "trades"] });
    const sent = sampleValues(at.codec, COUNT);
    // A SUB that is bound and does not read, does not send its subscriptions either.
    const report = peer.tell({ do: "receive", count: 3 * COUNT });
    await publisher.ready();
    // Topics in runs, which may share frames; one of them is not for this subscriber.
    const topics = ["trades", "quotes.ibm", "other", "quotes.ko"] as const;
    for (const topic of topics) {
      for (const value of sent) await publisher.publish(topic, value);
    }

    const { values, around, frames } = await report;
    assert.deepEqual(values, [...sent, ...sent, ...sent]);
    const wanted = topics.filter((topic) => topic !== "other");
    assert.deepEqual(
      around,
      wanted.flatMap((topic) => sent.map(() => topic)),
    );
    assert.ok(Array.isArray(frames));
    if (at.batch) assert.ok(frames.length < (3 * COUNT) / 10, `${frames.length} frames`);
    else assert.equal(frames.length, 3 * COUNT);
  });

  test(`interop: PUB to Subscriber: ${at.title}`, needsPython(), async (t) => {
    const subscriber = new Subscriber<Record<string, unknown>>(optionsOf(at));
    subscriber.subscribe("quotes.*");
    subscriber.subscribe("trades");
    subscriber.subscribe("joined");
    // A PUB drops what is over its mark, and a machine that is busy may let the subscriber wait.
    const peer = await meet(t, subscriber, { kind: "pub", at, options: { SNDHWM: 0 } });

    await join(peer, subscriber, at.codec === "raw" ? Buffer.from("hello") : "hello");
    const values = sampleValues(at.codec, COUNT);
    const topics = ["trades", "quotes.ibm", "tradesmen", "quotes.ko", "quotes.ko.bid"];
    const reading = take(subscriber, 3 * COUNT);
    for (const topic of topics) {
      await peer.tell({ do: "publish", topic, values, perFrame: 7 });
    }
    // "trades" is one topic and no prefix, and "*" is one word.
    const expected = ["trades", "quotes.ibm", "quotes.ko"].flatMap((topic) =>
      values.map(fromPython(at.codec)).map((value) => ({ topic, value, headers: {} })),
    );
    assert.deepEqual(await reading, expected);
    assert.equal(subscriber.stats().framesRefused, 0);
  });
}

for (const at of cases.filter(({ transport }) => transport === "tcp")) {
  test(`interop: Publisher to SUB beside a Subscriber: ${at.title}`, needsPython(), async (t) => {
    const publisher = new Publisher<Record<string, unknown>>(optionsOf(at));
    const peer = await meet(t, publisher, { kind: "sub", at, prefixes: ["trades"] });
    const subscriber = new Subscriber<Record<string, unknown>>(optionsOf(at));
    t.after(() => subscriber.close());
    subscriber.subscribe("trades");
    subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
    const sent = sampleValues(at.codec, COUNT);
    const report = peer.tell({ do: "receive", count: COUNT });
    await publisher.ready({ peers: 2 });
    for (const value of sent) await publisher.publish("trades", value);
    assert.deepEqual((await report).values, sent);
    for (const _ of sent) await subscriber.receive();
    assert.equal(subscriber.stats().messagesMissed, 0);
  });
}

/** A PUB does not know its subscribers: it repeats one topic until that arrives. */
async function join(
  peer: PythonPeer,
  subscriber: Subscriber<Record<string, unknown>>,
  value: unknown,
): Promise<void> {
  for (;;) {
    await peer.tell({ do: "publish", topic: "joined", values: [value], perFrame: 1 });
    try {
      assert.deepEqual(await subscriber.receive({ timeoutMs: 20 }), {
        topic: "joined",
        value,
        headers: {},
      });
      return;
    } catch (error) {
      if (!(error instanceof BrokerlessError && error.code === "BROKERLESS_TIMEOUT")) throw error;
    }
  }
}

/** So many values beside those that found out whether the subscriptions had arrived. */
async function take(subscriber: Subscriber<Record<string, unknown>>, count: number) {
  const received: unknown[] = [];
  for await (const publication of subscriber) {
    if (publication.topic !== "joined") received.push(publication);
    if (received.length === count) break;
  }
  return received;
}
