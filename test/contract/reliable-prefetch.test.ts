import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Pull, Push, raw } from "../../lib/index.ts";
import { eachTransport, type Wire } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";

/** A message (bytes), and how many of them are sent. */
const BYTES = 256 * 1_024;
const COUNT = 40;
const BOUND = 8 * BYTES;
/** So many messages fit, their frames included, and no more. */
const FITTING = 7;

/**
 * A receiver that works on one message after another, and is in no hurry.
 *
 * @returns how much has come when it has begun the second one, and all that was sent before that is there (bytes)
 */
async function stalled(
  t: TestContext,
  options: { readonly wire: Wire; readonly prefetchBytesMax: number; readonly fitting: number },
): Promise<number> {
  const { wire, prefetchBytesMax, fitting } = options;
  const sender = open(
    t,
    new Push<Uint8Array>({ reliable: true, codec: raw(), queueBytesMax: 2 * COUNT * BYTES }),
  );
  const receiver = open(
    t,
    new Pull<Uint8Array>({ reliable: true, codec: raw(), prefetchBytesMax }),
  );
  for (let index = 0; index < COUNT; index++) await sender.send(new Uint8Array(BYTES).fill(index));
  await wire.join(sender, receiver);
  const messages = receiver.deliveries();
  const { value: first } = await messages.next();
  // What is sent when the first is settled comes behind all that was sent before.
  const received = async (count: number): Promise<void> => {
    await eventually(() => assert.ok(receiver.stats().framesReceived >= count));
  };
  await received(fitting);
  first!.ack();
  await received(Math.min(COUNT, fitting + 1));
  await eventually(() => assert.equal(sender.stats().queuedMessages, COUNT - 1));
  const { bytesReceived } = receiver.stats();
  for (let index = 1; index < COUNT; index++) {
    const { value: delivery } = await messages.next();
    assert.equal(delivery!.value[0], index);
    delivery!.ack();
  }
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
  return bytesReceived;
}

eachTransport("reliable: a slow receiver holds no more than prefetchBytesMax", async (t, wire) => {
  const bytes = await stalled(t, { wire, prefetchBytesMax: BOUND, fitting: FITTING });
  assert.ok(bytes <= BOUND + BYTES, `${bytes} bytes came, of which one message was settled`);
});

eachTransport("reliable: without such a bound, a slow receiver holds it all", async (t, wire) => {
  const bytes = await stalled(t, { wire, prefetchBytesMax: 2 ** 40, fitting: COUNT });
  assert.ok(
    bytes >= COUNT * BYTES,
    `${bytes} bytes came: another bound than that of bytes was met`,
  );
});

eachTransport("reliable: a message longer than the bound goes alone", async (t, wire) => {
  const sender = open(t, new Push<Uint8Array>({ reliable: true, codec: raw() }));
  const receiver = open(
    t,
    new Pull<Uint8Array>({ reliable: true, codec: raw(), prefetchBytesMax: 1_000 }),
  );
  await wire.join(sender, receiver);
  const sizes = [10, 5_000, 6_000, 10, 10];
  for (const size of sizes) void sender.send(new Uint8Array(size));
  const got: number[] = [];
  for await (const { length } of receiver) {
    got.push(length);
    if (got.length === sizes.length) break;
  }
  assert.deepEqual(got, sizes);
});
