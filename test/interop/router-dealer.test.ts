import assert from "node:assert/strict";
import { test } from "node:test";
import { Dealer, type PeerId, Router } from "../../lib/index.ts";
import { cases, fromPython, meet, optionsOf, sampleValues } from "./cases.ts";
import { needsPython } from "./python.ts";
import { PythonPeer } from "./python-peer.ts";

const COUNT = 500;

for (const at of cases) {
  test(`interop: Dealer and ROUTER: ${at.title}`, needsPython(), async (t) => {
    const dealer = new Dealer(optionsOf(at));
    const peer = await meet(t, dealer, { kind: "router", at });
    const values = sampleValues(at.codec, COUNT);
    const arrived = peer.tell({ do: "receive", count: COUNT });
    await dealer.ready();
    for (const value of values) await dealer.send(value);

    const { values: got, around, frames } = await arrived;
    assert.deepEqual(got, values);
    assert.ok(Array.isArray(frames));
    if (at.batch) assert.ok(frames.length < COUNT / 10, `${frames.length} frames`);
    else assert.equal(frames.length, COUNT);
    // All of one peer, whose name is the way back.
    const [id] = around ?? [];
    assert.deepEqual(
      around,
      values.map(() => id),
    );

    const sent = peer.tell({ do: "send", to: id, values, perFrame: 7 });
    const received: unknown[] = [];
    for await (const value of dealer) {
      received.push(value);
      if (received.length === COUNT) break;
    }
    assert.deepEqual(received, values.map(fromPython(at.codec)));
    assert.equal(dealer.stats().framesReceived, Number((await sent).frames));
  });

  test(`interop: Router and DEALER: ${at.title}`, needsPython(), async (t) => {
    const router = new Router(optionsOf(at));
    const peer = await meet(t, router, { kind: "dealer", at });
    const values = sampleValues(at.codec, COUNT);
    const sent = peer.tell({ do: "send", values, perFrame: 7 });
    const received: unknown[] = [];
    const peers = new Set<PeerId>();
    for await (const batch of router.batches()) {
      for (const routed of batch) {
        peers.add(routed.peer);
        received.push(routed.value);
      }
      if (received.length === COUNT) break;
    }
    assert.deepEqual(received, values.map(fromPython(at.codec)));
    assert.equal(router.stats().framesReceived, Number((await sent).frames));
    assert.equal(peers.size, 1);

    const arrived = peer.tell({ do: "receive", count: COUNT });
    for (const value of values) await router.send([...peers][0]!, value);
    const { values: got, frames } = await arrived;
    assert.deepEqual(got, values);
    assert.ok(Array.isArray(frames));
    if (at.batch) assert.ok(frames.length < COUNT / 10, `${frames.length} frames`);
    else assert.equal(frames.length, COUNT);
  });
}

test("interop: a Router tells several DEALERs apart by their names", needsPython(), async (t) => {
  const router = new Router<string>();
  t.after(() => router.close());
  const address = await router.bind("tcp://127.0.0.1:*");
  const config = { codec: "msgpack", batch: true, connect: address } as const;
  const dealers = await Promise.all([1, 2, 3].map(() => PythonPeer.start(t, "dealer", config)));
  for (const [index, dealer] of dealers.entries()) {
    await dealer.tell({ do: "send", values: [`from ${index}`], perFrame: 1 });
  }
  for (const _ of dealers) {
    const { peer, value } = await router.receive();
    await router.send(peer, `to ${value.slice(5)}`);
  }
  for (const [index, dealer] of dealers.entries()) {
    const { values } = await dealer.tell({ do: "receive", count: 1 });
    assert.deepEqual(values, [`to ${index}`]);
  }
});
