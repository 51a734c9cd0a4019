import assert from "node:assert/strict";
import { test } from "node:test";
import { raw } from "../../../lib/codec/raw.ts";
import { AckCoalescer } from "../../../lib/reliable/receiver/ack-coalescer.ts";
import { NextMessages } from "../../../lib/reliable/receiver/next-messages.ts";
import { turn } from "../../support/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { MetReceiver } from "../../support/met-receiver.ts";

/** What a receiver delivers next, of the one sender that it has. */
async function handingOut(): Promise<{
  readonly next: NextMessages<Uint8Array>;
  readonly sender: ReturnType<MetReceiver["meet"]>;
}> {
  const receiver = new MetReceiver();
  const next = new NextMessages<Uint8Array>({
    codec: raw(),
    limits: { messageElementsMax: 100, headersBytesMax: 100, headersCountMax: 1 },
    schema: null,
    clock: new ManualClock(),
    inFlight: receiver.links.inFlight,
    run: new AckCoalescer(),
    onRefused: (error) => assert.fail(error),
  });
  // A turn is over before the first message: how long it lasts already is not known.
  next.take();
  await turn();
  return { next, sender: receiver.meet() };
}

/** Waits for one message. @returns the length of what came, in the order of coming; null: the end */
function waitIn(
  next: NextMessages<Uint8Array>,
  name: string,
  got: string[],
): { readonly cancel: () => void } {
  const cancel = next.whenNext((chunk) => {
    got.push(`${name}: ${chunk === null ? "end" : chunk.values[chunk.index++]!.length}`);
  });
  return { cancel };
}

test("next messages: who has waited longest is served first, and who has given up is not", async () => {
  const { next, sender } = await handingOut();
  const got: string[] = [];
  waitIn(next, "a", got);
  waitIn(next, "b", got).cancel();
  waitIn(next, "c", got);
  waitIn(next, "d", got);
  sender.data(1, [10, 11]);
  next.wake();
  assert.deepEqual(got, ["a: 10"], "each may keep the thread before the next is served");
  await turn();
  assert.deepEqual(got, ["a: 10", "c: 11"]);
  next.close();
  assert.deepEqual(got.slice(2), ["d: end"]);
  assert.equal(next.take(), null);
});

test("next messages: what nobody has seen is given back, once", async () => {
  const { next, sender } = await handingOut();
  sender.data(1, [10, 11, 12]);
  next.take()!.index += 1;
  assert.deepEqual(
    next.untouched().map(({ range }) => range),
    [{ first: 2, last: 3 }],
  );
  next.giveBack();
  next.giveBack();
  const released = sender.heard.filter(({ type }) => type === "release");
  assert.deepEqual(
    released.map(({ ranges }) => ranges),
    [[{ first: 2, last: 3 }]],
  );
  assert.deepEqual(next.untouched(), []);
});
