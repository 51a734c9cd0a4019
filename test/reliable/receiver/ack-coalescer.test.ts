import assert from "node:assert/strict";
import { test } from "node:test";
import { AckCoalescer } from "../../../lib/reliable/receiver/ack-coalescer.ts";
import type { InFlightMessages } from "../../../lib/reliable/receiver/sessions/in-flight-messages.ts";
import type { ReceiverStream } from "../../../lib/reliable/receiver/sessions/receiver-stream.ts";

/** A coalescer, streams whose windows take every seq of their version of the history, and what is told of them. */
function setUp() {
  const told: string[] = [];
  const inFlight = {
    done: (stream: ReceiverStream & { name: string }, first: number, last: number) =>
      told.push(`${stream.name} ${first}-${last}`),
  } as unknown as InFlightMessages;
  const stream = (name: string) => {
    const window = {
      historyVersion: 1,
      valid: (range: object, historyVersion: number) =>
        historyVersion === window.historyVersion ? range : null,
    };
    return { name, window } as unknown as ReceiverStream & { window: { historyVersion: number } };
  };
  const coalescer = new AckCoalescer();
  const add = (to: ReceiverStream, ...seqs: readonly number[]) => {
    for (const seq of seqs) coalescer.add(inFlight, to, seq);
  };
  return { coalescer, add, stream, told };
}

/** Everything that was put off to the end of this turn has run. */
const endOfTurn = () => new Promise((resolve) => setImmediate(resolve));

test("ack coalescer: messages that follow each other are told as one, at the end of the turn", async () => {
  const { add, stream, told } = setUp();
  add(stream("a"), 4, 5, 6);
  assert.deepEqual(told, []);
  await endOfTurn();
  assert.deepEqual(told, ["a 4-6"]);
  await endOfTurn();
  assert.deepEqual(told, ["a 4-6"]);
});

test("ack coalescer: one that does not follow, or of another stream, begins another range", async () => {
  const { add, stream, told } = setUp();
  const [a, b] = [stream("a"), stream("b")];
  add(a, 1, 2, 4);
  add(b, 5);
  add(a, 5);
  await endOfTurn();
  assert.deepEqual(told, ["a 1-2", "a 4-4", "b 5-5", "a 5-5"]);
});

test("ack coalescer: a flush tells at once, and later messages are told too", async () => {
  const { coalescer, add, stream, told } = setUp();
  const a = stream("a");
  add(a, 1, 2);
  coalescer.flush();
  coalescer.flush();
  add(a, 3);
  assert.deepEqual(told, ["a 1-2"]);
  await endOfTurn();
  assert.deepEqual(told, ["a 1-2", "a 3-3"]);
});

test("ack coalescer: what is of a history that is over by then is not told", async () => {
  const { add, stream, told } = setUp();
  const a = stream("a");
  add(a, 1, 2);
  a.window.historyVersion = 2;
  await endOfTurn();
  assert.deepEqual(told, []);
});
