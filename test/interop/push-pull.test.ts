import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, Push } from "../../lib/index.ts";
import { cases, fromPython, meet, optionsOf, sampleValues } from "./cases.ts";
import { needsPython } from "./python.ts";

const COUNT = 1_000;

for (const at of cases) {
  test(`interop: Push to PULL: ${at.title}`, needsPython(), async (t) => {
    const push = new Push(optionsOf(at));
    const peer = await meet(t, push, { kind: "pull", at });
    const sent = sampleValues(at.codec, COUNT);
    await push.ready();
    for (const value of sent) await push.send(value);

    const { values, frames } = await peer.tell({ do: "receive", count: COUNT });
    assert.deepEqual(values, sent);
    assert.ok(Array.isArray(frames));
    if (at.batch) assert.ok(frames.length < COUNT / 10, `${frames.length} frames`);
    else assert.equal(frames.length, COUNT);
  });

  test(`interop: PUSH to Pull: ${at.title}`, needsPython(), async (t) => {
    const pull = new Pull(optionsOf(at));
    const peer = await meet(t, pull, { kind: "push", at });
    const values = sampleValues(at.codec, COUNT);
    // All in one frame, some in each, and one in each, as a peer does that knows nothing of batches.
    const sent = Promise.all(
      [COUNT, 7, 1].map((perFrame) => peer.tell({ do: "send", values, perFrame })),
    );

    const received: unknown[] = [];
    for await (const batch of pull.batches()) {
      received.push(...batch);
      if (received.length === 3 * COUNT) break;
    }
    const expected = values.map(fromPython(at.codec));
    assert.deepEqual(received, [...expected, ...expected, ...expected]);
    const frames = (await sent).map((answer) => Number(answer.frames));
    assert.equal(
      pull.stats().framesReceived,
      frames.reduce((a, b) => a + b),
    );
    assert.equal(pull.stats().framesRefused, 0);
  });
}
