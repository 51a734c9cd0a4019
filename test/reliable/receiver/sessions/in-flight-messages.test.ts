import assert from "node:assert/strict";
import { test } from "node:test";
import { MetReceiver } from "../../../support/met-receiver.ts";

test("in-flight messages: streams have their turns one after the other, whichever has more", () => {
  const receiver = new MetReceiver();
  const [one, other] = [receiver.meet("1".repeat(32)), receiver.meet("2".repeat(32))];
  one.data(1, [1, 1]);
  other.data(1, [1, 1]);
  const turns = [1, 2, 3, 4].map(() => receiver.links.inFlight.next(1)!);
  assert.deepEqual(
    turns.map(({ stream, item }) => `${stream.id[0]}: ${item.first}`),
    ["1: 1", "2: 1", "1: 2", "2: 2"],
  );
  assert.equal(receiver.links.inFlight.next(1), null);
});

test("in-flight messages: what is given back is not delivered again, and its sender hears of it", () => {
  const receiver = new MetReceiver();
  const sender = receiver.meet();
  sender.data(1, [1, 1, 1]);
  const { inFlight } = receiver.links;
  const { stream } = inFlight.next(2)!;
  sender.heard.length = 0;
  inFlight.release(stream, { first: 2, last: 2 });
  inFlight.nack(stream, { first: 1, last: 1 }, { argument: 7, text: "" });
  assert.deepEqual(
    sender.heard.map(({ type, argument, ranges }) => ({ type, argument, ranges })),
    [
      { type: "release", argument: 0, ranges: [{ first: 2, last: 2 }] },
      { type: "nack", argument: 7, ranges: [{ first: 1, last: 1 }] },
    ],
  );
  assert.equal(inFlight.next(9)?.item.first, 3);
  inFlight.nack(stream, { first: 1, last: 2 }, { argument: 7, text: "" });
  assert.equal(sender.heard.length, 2, "once");
});

test("in-flight messages: what waits of a sender that did not come back is lost", () => {
  const receiver = new MetReceiver();
  receiver.meet().data(1, [1, 1]);
  const { inFlight } = receiver.links;
  const { stream } = inFlight.next(1)!;
  inFlight.expired(stream);
  assert.equal(inFlight.next(1), null);
  assert.equal(stream.window.waitingCount + stream.window.unackedCount, 0);
});
